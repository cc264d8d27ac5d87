//! Policies that the rules folder has lost: not there is not the same as empty.
//!
//! A folder that is not mounted, a copy that is half made and an editor that saves by renaming look like a folder
//! without policies, and to take them for one would switch off a project's anonymization. So what is active stays
//! until the file is back, says in so many words that it asks for nothing (`{}`), or was taken away by a call.

use super::{Rulebook, RulebookError};
use crate::rules::{Change, Draft, RuleSetError};
use crate::store::{Activation, StoreError};

/// Where a version keeps the site's policy; in the folder it has the same name.
const SITE: &str = "site/policy.json";

/// Where a version keeps its project's policy.
const OWN: &str = "project/policy.json";

impl Rulebook {
    /// Which policy of the active version is not in the folder, but for those that some changes take away.
    pub(super) async fn lost(
        &self,
        project: &str,
        draft: &Draft,
        active: Option<&Activation>,
        changes: &[Change],
    ) -> Result<Option<RuleSetError>, StoreError> {
        let rule_sets = self.store.rule_sets();
        let own = format!("projects/{project}/policy.json");
        for (kept, path, whose) in [(SITE, SITE, "site"), (OWN, &own, "project")] {
            let is_taken_away = |c: &Change| c.path == path && c.content.is_none();
            if draft.files().contains_key(kept) || changes.iter().any(is_taken_away) {
                continue;
            }
            let (had, by) = match active {
                Some(active) => (
                    rule_sets.holds(&active.rule_set, kept).await?,
                    "the active version has it, which stays",
                ),
                // The first import of a project must not run without what the site asks of all others.
                None if kept == SITE => (
                    rule_sets.is_active_anywhere(SITE).await?,
                    "the active versions of other projects have it",
                ),
                None => continue,
            };
            if had {
                return Ok(Some(RuleSetError::Missing {
                    file: self.registry.shown(path),
                    message: format!(
                        "is missing, but {by}: put the file back, or write {{}} into it if the {whose} shall have \
                         no policy"
                    ),
                }));
            }
        }
        Ok(None)
    }

    /// Whether the policies that a change would start from are there: one that is made of a missing policy would
    /// take all away that it held. With `only_site`, the projects' own may be missing.
    ///
    /// # Errors
    /// The first that is missing.
    pub async fn check_there(
        &self,
        projects: &[String],
        only_site: bool,
    ) -> Result<(), RulebookError> {
        for project in projects {
            let lost = match self.registry.draft(project, &[]) {
                Ok(draft) => {
                    let active = self.store.rule_sets().active(project).await?;
                    self.lost(project, &draft, active.as_ref(), &[]).await?
                }
                // What is wrong with it otherwise is told by who reads it.
                Err(error) => Some(error).filter(|error| error.missing().is_some()),
            };
            let Some(lost) = lost else { continue };
            let own = self
                .registry
                .shown(&format!("projects/{project}/policy.json"));
            let is_own = lost.missing() == Some(&own);
            if !(only_site && is_own) {
                return Err(lost.into());
            }
        }
        Ok(())
    }
}
