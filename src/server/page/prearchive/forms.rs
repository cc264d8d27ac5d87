//! What can be done to a session, as forms on its view.

use maud::{Markup, html};

use super::super::parts;
use super::actions::Given;
use super::model::{Place, Summary};

/// XNAT's `overwrite`, in words.
const OVERWRITE: [(&str, &str); 3] = [
    ("", "refuse"),
    ("append", "add what is new (append)"),
    ("delete", "add, and replace what differs (delete)"),
];

/// Without rights for one of them, REST's refusal says so.
pub fn actions(place: &Place, session: &Summary, projects: &[String], given: &Given) -> Markup {
    let here = place.view(&[], &[]);
    let is_held = session.status == "QUARANTINED";
    html! {
        h2 #actions { "What to do" }
        div.cards {
            @if is_held { (release(&here, given)) }
            @else { (archive(&here, session, projects, given)) }
            (relabel(&here, session, given))
            @if !is_held { (move_to(&here, session, projects, given)) (rebuild(&here)) }
            (delete(&here))
        }
    }
}

pub fn overwrite(id: &str, chosen: &str) -> Markup {
    html! {
        select id=(id) name="overwrite" {
            @for (value, words) in OVERWRITE { option value=(value) selected[value == chosen] { (words) } }
        }
    }
}

fn form(here: &str, name: &str, action: &str, danger: bool, fields: &Markup) -> Markup {
    html! {
        form.stacked method="post" action=(here) {
            h3 { (name) }
            (fields)
            button.danger[danger] name="action" value=(action) { (name) }
        }
    }
}

fn release(here: &str, given: &Given) -> Markup {
    let fields = html! {
        p { small { "Into the prearchive, and no further." } }
        label for="reason" { "Reason" }
        input #reason name="reason" value=(given.get("release", "reason")) maxlength="500";
        label for="release-overwrite" { "Where a session waits under this label" }
        (overwrite("release-overwrite", given.get("release", "overwrite")))
    };
    form(here, "Release", "release", false, &fields)
}

fn archive(here: &str, session: &Summary, projects: &[String], given: &Given) -> Markup {
    let is_unassigned = session.project == "Unassigned";
    let fields = html! {
        @if is_unassigned { (project("archive-project", projects, given.get("archive", "project"))) }
        label for="archive-overwrite" { "Where the session is archived already" }
        (overwrite("archive-overwrite", given.get("archive", "overwrite")))
        label for="archive-subject" { "Subject " small { "(else as it is)" } }
        input #archive-subject name="subject" value=(given.get("archive", "subject")) maxlength="64";
        label for="archive-session" { "Session " small { "(else as it is)" } }
        input #archive-session name="session" value=(given.get("archive", "session")) maxlength="64";
    };
    form(here, "Archive", "archive", false, &fields)
}

fn relabel(here: &str, session: &Summary, given: &Given) -> Markup {
    let (subject, label) = match given.is_of("relabel") {
        true => (
            given.get("relabel", "subject"),
            given.get("relabel", "session"),
        ),
        false => (session.subject.as_str(), session.label.as_str()),
    };
    let fields = html! {
        p { small { "What rules have written into the files stays as it is." } }
        label for="relabel-subject" { "Subject" }
        input #relabel-subject name="subject" value=(subject) maxlength="64" required;
        label for="relabel-session" { "Session" }
        input #relabel-session name="session" value=(label) maxlength="64" required;
    };
    form(here, "Relabel", "relabel", false, &fields)
}

fn project(id: &str, projects: &[String], chosen: &str) -> Markup {
    html! {
        label for=(id) { "Project" }
        select id=(id) name="project" { @for id in projects { option selected[*id == chosen] { (id) } } }
    }
}

fn move_to(here: &str, session: &Summary, projects: &[String], given: &Given) -> Markup {
    let chosen = match given.is_of("move") {
        true => given.get("move", "project"),
        false => session.project.as_str(),
    };
    let fields = html! {
        p { small { "The other project's rules run over it." } }
        (project("move-project", projects, chosen))
        label.check { input type="checkbox" name="leave_out" value="true" checked[given.get("move", "leave_out") == "true"]; "Leave out files that they refuse" }
    };
    form(here, "Move", "move", false, &fields)
}

fn rebuild(here: &str) -> Markup {
    let fields = html! { p { small { "Reads its files again." } } };
    form(here, "Rebuild", "rebuild", false, &fields)
}

fn delete(here: &str) -> Markup {
    let fields = html! {
        p { small { "Its files go for good; what they were imported from stays." } }
        (sure("Delete it for good"))
    };
    form(here, "Delete", "delete", true, &fields)
}

/// What can't be undone is done when this is ticked.
pub fn sure(text: &str) -> Markup {
    html! { label.check { input type="checkbox" name="sure" value="yes"; (text) } }
}

/// Files of which the import has something to say.
pub fn leak_line(tag: &str, kind: &str, files: u64) -> Markup {
    html! { li { code { (tag) } " (" (kind) ", " (parts::count(files, "file")) ")" } }
}
