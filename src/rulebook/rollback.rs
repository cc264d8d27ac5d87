//! Going back to a version that was active before, which leaves the rules folder as it is.

use super::{Author, Rulebook, RulebookError};
use crate::rules::RuleSet;
use crate::store::{Activation, NewActivation, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Rulebook {
    /// Makes a version active again that was so before. With `same_site`, only one of the site's present rules: an
    /// earlier version holds those of its time.
    ///
    /// # Errors
    /// If it never was active in the project, this release can't run it any more, or the site's rules are others.
    pub async fn roll_back(
        &self,
        project: &str,
        hash: &str,
        author: Author<'_>,
        same_site: bool,
    ) -> Result<Arc<RuleSet>, RulebookError> {
        // Who stages the folder meanwhile would undo it.
        let _alone = self.changing.write().await;
        let rule_set = self.version(project, hash).await?;
        loop {
            let mut checked = None;
            if same_site {
                // What is new in the folder first: the site may have become stricter just now.
                let now = self.refresh(project, Author::FILES, &[]).await?;
                if now.site_hash() != rule_set.site_hash() {
                    return Err(RulebookError::OtherSite(hash.to_owned()));
                }
                checked = Some(now);
            }
            let active = self.store.rule_sets().active(project).await?;
            let active_hash = active.as_ref().map(|active| active.rule_set.as_str());
            if checked.is_some_and(|checked| Some(checked.hash()) != active_hash) {
                continue;
            }
            let draft = self.draft_now(project, active.as_ref()).await?;
            let new = NewActivation {
                project,
                after: active.map(|active| active.id),
                rule_set: hash,
                draft: &draft,
                username: author.username,
                reason: author.reason,
                files: &BTreeMap::new(),
            };
            // Another server may have made other rules active, the site's too.
            if self.store.rule_sets().activate(new).await? {
                tracing::info!(project, rule_set = hash, "rolled back to earlier rules");
                self.known(project, |known| {
                    known.active = Some(rule_set.clone());
                    if !draft.is_empty() {
                        known.settle(&draft);
                    }
                });
                return Ok(rule_set);
            }
        }
    }

    /// The hash of what the folder holds; empty if that is broken.
    async fn draft_now(
        &self,
        project: &str,
        active: Option<&Activation>,
    ) -> Result<String, StoreError> {
        let Ok(draft) = self.registry.draft(project, &[]) else {
            return Ok(String::new());
        };
        Ok(match self.lost(project, &draft, active, &[]).await? {
            Some(_) => String::new(),
            None => draft.hash().to_owned(),
        })
    }
}
