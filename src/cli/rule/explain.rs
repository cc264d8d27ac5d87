//! `sluice rule explain`: what a project's rules would do with a file or a folder, without importing it.

use super::{CliError, counted, say};
use crate::cli::open;
use crate::config::StateArgs;
use crate::import::explain::{Explanation, FileExplained, StudyExplained, explain};
use crate::rules::host::TracedEdit;
use crate::rules::{LeakCheck, Position, Registry, Run};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

/// Longer values are cut.
const SHOWN: usize = 60;
/// Of a group's files, so many are named.
const NAMED: usize = 3;

#[derive(clap::Args)]
pub struct Args {
    /// A DICOM file, or a folder of them
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
    /// Whose rules and pseudonyms
    #[arg(long, value_name = "ID")]
    project: String,
    /// A parameter of the import call, such as SUBJECT_ID=S1
    #[arg(long = "var", value_name = "K=V", value_parser = super::apply::variable)]
    variables: Vec<(String, String)>,
    /// Everything, as JSON
    #[arg(long)]
    json: bool,
    /// Each edit of each file, where else files are told together
    #[arg(long, conflicts_with = "json")]
    verbose: bool,
    #[command(flatten)]
    state: StateArgs,
}

pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let (config, store) = open(&args.state).await?;
    let project = store.projects().get(&args.project).await?;
    let project = project.ok_or_else(|| format!("there is no project {}", args.project))?;
    let rules = Registry::open(config.rules()).check(&project.id)?;
    let active = store.rule_sets().active(&project.id).await?;
    if let Some(active) = active {
        crate::cli::say_if_apart(&config, &project.id, &active.rule_set, "the rules folder");
    }
    let run = Run::new(
        project.id,
        project.pseudonym_key.as_bytes(),
        args.variables.into_iter().collect(),
        chrono::Utc::now(),
    );
    let told =
        explain(&rules, &run, &args.path).map_err(|e| format!("{}: {e}", args.path.display()))?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&told)?);
    } else {
        print(&told, args.verbose);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(told: &Explanation, verbose: bool) {
    say!(
        "project {}, rule set {}",
        told.project,
        &told.rule_set[..12]
    );
    for step in &told.modules {
        let scope = serde_json::to_value(step.scope).unwrap_or_default();
        say!(
            "  {:<9} {} {} ({})",
            step.kind,
            step.module,
            step.version,
            scope.as_str().unwrap_or_default()
        );
    }
    for note in &told.notes {
        say!("  note: {note}");
    }
    for (index, study) in told.studies.iter().enumerate() {
        let files: Vec<&FileExplained> = told
            .files
            .iter()
            .filter(|f| f.study == Some(index))
            .collect();
        print_study(index, study, &files, told, verbose);
    }
    let others: Vec<&FileExplained> = told.files.iter().filter(|f| f.study.is_none()).collect();
    if !others.is_empty() {
        say!("\nof no study");
        print_groups(&others, verbose);
    }
}

fn print_study(
    index: usize,
    study: &StudyExplained,
    files: &[&FileExplained],
    told: &Explanation,
    verbose: bool,
) {
    let label_module = told.modules.first().map_or("", |step| step.module.as_str());
    say!("\nstudy {}, {}", index + 1, counted(files.len(), "file"));
    match (&study.labels, &study.error) {
        (Some(labels), _) => {
            let optional = [
                ("project", &labels.project),
                ("visit", &labels.visit),
                ("scan", &labels.scan),
            ];
            let mut text = format!(
                "  {label_module}: subject {}, session {}",
                labels.subject, labels.session
            );
            for (name, value) in optional {
                if let Some(value) = value {
                    text += &format!(", {name} {value}");
                }
            }
            if let Some(wish) = labels.auto_archive {
                text += &format!(", auto-archive {wish}");
            }
            say!("{text}");
        }
        (None, error) => say!("  no labels: {}", error.as_deref().unwrap_or_default()),
    }
    print_groups(files, verbose);
    if !study.leaks.is_empty() {
        let then = match told.leak_check {
            LeakCheck::Off => "the leak check is off",
            LeakCheck::Report => "reported",
            LeakCheck::Quarantine => "quarantined",
        };
        say!("  identifying values still stand ({then}):");
        for leak in &study.leaks {
            say!(
                "    {} in {}, {}",
                leak.finding.kind,
                leak.finding.tag,
                counted(leak.files as usize, "file")
            );
        }
    }
    for reason in &study.review {
        say!("  held for review: {reason}");
    }
    if let Some(route) = &study.route {
        let module = told.modules.last().map_or("", |step| step.module.as_str());
        let to = route.to.unwrap_or("no answer, so prearchive");
        say!(
            "  {module}: {to}: {} (not compared with what is stored)",
            route.why
        );
    }
}

/// Before and after, as they differ within a group of files.
type Values<'a> = BTreeSet<(&'a Option<String>, &'a Option<String>)>;

/// What was done to an element, without the values.
type Row = (String, Option<Position>, &'static str, Cow<'static, str>);

fn rows(file: &FileExplained) -> Vec<(Row, &TracedEdit)> {
    let steps = file.steps.iter();
    let edits = steps.flat_map(|trace| {
        trace
            .edits
            .iter()
            .map(|edit| (trace.step.module.clone(), edit))
    });
    edits
        .map(|(module, edit)| {
            (
                (module, edit.position, edit.action, edit.path.clone()),
                edit,
            )
        })
        .collect()
}

/// Files to which the same was done are told together: the largest group in full, of the others what differs.
fn print_groups(files: &[&FileExplained], verbose: bool) {
    let mut groups: BTreeMap<(String, Vec<Row>), Vec<&FileExplained>> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        let outcome = serde_json::to_value(file.outcome).unwrap_or_default();
        let mut what = outcome.as_str().unwrap_or_default().to_owned();
        if let Some(reason) = &file.reason {
            what += &format!(": {reason}");
        }
        if verbose {
            // Each by itself, in the order of the walk.
            what = format!("{index:06}{what}");
        }
        let done = rows(file).into_iter().map(|(row, _)| row).collect();
        groups.entry((what, done)).or_default().push(file);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    if !verbose {
        groups.sort_by_key(|(_, files)| std::cmp::Reverse(files.len()));
    }
    let mut whole: Option<BTreeSet<Row>> = None;
    for ((what, done), members) in &groups {
        let what = if verbose { &what[6..] } else { what };
        say!("  {}: {what}", names(members));
        let done_set: BTreeSet<Row> = done.iter().cloned().collect();
        match whole.as_ref().filter(|_| !verbose) {
            None => print_rows(members, |_| true),
            Some(usual) => {
                let same = usual.intersection(&done_set).count();
                if same > 0 {
                    say!("      as above in {}, but", counted(same, "edit"));
                }
                print_rows(members, |row| !usual.contains(row));
                for (module, at, action, path) in usual.difference(&done_set).filter(|_| same > 0) {
                    say!("      not {module}{} {action} {path}", place(*at));
                }
            }
        }
        if whole.is_none() && !done.is_empty() {
            whole = Some(done_set);
        }
    }
}

fn print_rows(members: &[&FileExplained], wanted: impl Fn(&Row) -> bool) {
    let mut values: BTreeMap<usize, Values<'_>> = BTreeMap::new();
    for member in members {
        for (index, (_, edit)) in rows(member).into_iter().enumerate() {
            values
                .entry(index)
                .or_default()
                .insert((&edit.before, &edit.after));
        }
    }
    let mut module = String::new();
    for (index, (row, edit)) in members
        .first()
        .map(|m| rows(m))
        .unwrap_or_default()
        .into_iter()
        .enumerate()
    {
        if !wanted(&row) {
            continue;
        }
        if row.0 != module {
            module.clone_from(&row.0);
            say!("    {module}");
        }
        let others = values.get(&index).map_or(0, |values| values.len() - 1);
        let more = match others {
            0 => String::new(),
            n => format!("  (and {})", counted(n, "other pair")),
        };
        let (before, after) = (value(&edit.before), value(&edit.after));
        say!(
            "      {}{} {}: {before} -> {after}{more}",
            edit.action,
            place(edit.position),
            edit.path
        );
    }
    let idle = members.iter().take(1).flat_map(|member| &member.steps);
    for trace in idle.filter(|trace| trace.edits.is_empty()) {
        say!("    {} changed nothing", trace.step.module);
    }
}

fn names(members: &[&FileExplained]) -> String {
    let shown: Vec<&str> = members
        .iter()
        .take(NAMED)
        .map(|f| f.path.as_str())
        .collect();
    match members.len() {
        n if n > NAMED => format!("{n} files ({}, …)", shown.join(", ")),
        _ => shown.join(", "),
    }
}

fn place(position: Option<Position>) -> String {
    position.map_or(String::new(), |at| format!(" (line {})", at.line))
}

fn value(value: &Option<String>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(text) => match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{:?}…", &text[..end]),
            None => format!("{text:?}"),
        },
    }
}
