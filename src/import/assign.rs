//! Which project an upload belongs to whose call named none: what the site's label rule says of its studies, among
//! the projects that the caller may edit; else it is *Unassigned*.

use super::trawl::check_object;
use super::{Importer, Job, Progress, Stop, disk};
use crate::dicom::{Instance, tags};
use crate::failpoint::crash_point;
use crate::inbox::Opened;
use crate::rules::{Run, Table};
use crate::store::{ImportRequest, UNASSIGNED};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Says that the request's project is settled.
const PROJECT: &str = "PROJECT_ID";

impl Importer {
    /// Settles the request's project, which is then as if the call had named it: in the store too, so that no later
    /// attempt and no replay asks again.
    pub(super) fn assign(
        &self,
        request: &mut ImportRequest,
        progress: &Progress,
    ) -> Result<(), Stop> {
        if request.parameters.contains_key(PROJECT) {
            return Ok(());
        }
        if progress.cancel.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled);
        }
        // If it is gone, the attempt will say so.
        let Some(located) = self.recheck(request)? else {
            return Ok(());
        };
        let rules = self.pinned(request)?;
        let opened = self.inbox.open(&located);
        let opened = opened.map_err(|e| Stop::Failed(e.to_string()))?;
        let project = self
            .job(request, progress, &located, rules)?
            .project_of(opened)?;
        request.parameters.insert(PROJECT.into(), project.clone());
        request.project = project;
        self.block_on(self.store.requests().assign(request.claim(), request))?;
        crash_point("import.assigned");
        Ok(())
    }
}

impl Job<'_> {
    /// Looks at the first instance of each study. The studies of one upload go to one project.
    fn project_of(&self, opened: Opened) -> Result<String, Stop> {
        drop(self.room(0)?);
        self.fresh_staging().map_err(|e| {
            let why = disk::told(&e);
            Stop::Failed(format!("The staging folder can't be made: {why}"))
        })?;
        let importer = self.importer;
        let projects = importer.store.projects();
        let projects = importer.block_on(projects.editable_by(&self.request.username))?;
        let projects = Arc::new(Table::of_projects(projects));
        let mut source = self.prepare(opened)?;
        let mut met = HashSet::new();
        let mut chosen: Option<String> = None;
        for found in source.entries(self.importer.max_files)?.1 {
            self.check_stop()?;
            let instance = found.open().ok().and_then(|file| Instance::read(file).ok());
            // What can't be imported is told of by the import.
            let Some(instance) = instance.filter(|instance| check_object(instance).is_ok()) else {
                continue;
            };
            if !met.insert(instance.text(tags::STUDY_INSTANCE_UID)) {
                continue;
            }
            let run = Run {
                file: found.display(),
                ..self.run.clone()
            };
            let project = self.rules.choose_project(instance, &run, &projects);
            let project = project.unwrap_or_else(|| UNASSIGNED.to_owned());
            match &chosen {
                Some(first) if *first != project => {
                    return Err(Stop::Failed(format!(
                        "The upload holds studies of several projects ({first}, {project}). Upload each by itself, or \
                         name one project for all."
                    )));
                }
                Some(_) => {}
                None => chosen = Some(project),
            }
        }
        Ok(chosen.unwrap_or_else(|| UNASSIGNED.to_owned()))
    }
}
