//! What a guest may call, and what it may hold. Thin: what each call means and may do is [`Host`]'s
//! business. A call that leaves the host holding more than the module's memory limit is a trap.

use super::super::host::{Context, Edit, EditError, Host, Quotes};
use super::super::manifest::Limits;
use super::super::meter::Meter;
use super::super::pseudonym::Pseudonyms;
use super::super::tables::NoTable;
use super::bindings::{context, dicom, pseudonym, types};
use crate::dicom::Region;
use std::sync::Arc;
use wasmtime::component::Resource;
use wasmtime::{ResourceLimiter, Result, bail};

/// A function table's entries; a large component has some thousands.
pub const TABLE_ENTRIES: usize = 100_000;

/// Stands for the one dataset that a run sees; the guest only ever holds it borrowed.
pub struct Dataset;

/// The state of one run.
pub struct Guest {
    /// None in a route rule.
    host: Option<Host>,
    context: Arc<Context>,
    pseudonyms: Arc<Pseudonyms>,
    quotes: Arc<Quotes>,
    meter: Meter,
    /// The most that the host held for it.
    most: usize,
    pub limiter: Limiter,
}

/// The guest's own memory, all its linear memories together.
pub struct Limiter {
    limit: usize,
    used: usize,
    /// Whether it ever asked for more than it may have.
    pub refused: bool,
}

impl Guest {
    pub fn with_dataset(mut host: Host, quotes: &Arc<Quotes>, limits: &Limits) -> Self {
        host.set_quotes(Arc::clone(quotes));
        let (context, pseudonyms) = (Arc::clone(&host.context), Arc::clone(&host.pseudonyms));
        Self {
            host: Some(host),
            ..Self::without_dataset(context, pseudonyms, quotes, limits)
        }
    }

    pub fn without_dataset(
        context: Arc<Context>,
        pseudonyms: Arc<Pseudonyms>,
        quotes: &Arc<Quotes>,
        limits: &Limits,
    ) -> Self {
        let limiter = Limiter {
            limit: limits.memory_bytes(),
            used: 0,
            refused: false,
        };
        Self {
            host: None,
            context,
            pseudonyms,
            quotes: Arc::clone(quotes),
            meter: Meter::start(),
            most: 0,
            limiter,
        }
    }

    /// The most that was held for the guest: its own memory, which never shrinks, and the host's for it.
    pub fn memory(&self) -> usize {
        self.limiter.used + self.most.max(self.meter.bytes())
    }

    /// The host that [`Guest::with_dataset`] was given.
    pub fn take_back(self) -> Host {
        self.host
            .expect("a guest that was given a dataset keeps it")
    }

    fn on<T>(&mut self, call: impl FnOnce(&mut Host) -> T) -> Result<T> {
        let Some(host) = &mut self.host else {
            bail!("there is no dataset in this rule");
        };
        let answer = call(host);
        self.bounded(answer)
    }

    /// For edits: the inner error is the guest's to handle, the outer one a trap.
    fn edit<T>(
        &mut self,
        call: impl FnOnce(&mut Host) -> std::result::Result<T, EditError>,
    ) -> Result<std::result::Result<T, dicom::EditError>> {
        Ok(self.on(call)?.map_err(dicom::EditError::from))
    }

    fn label(&self, name: &str, label: Option<&String>) -> Result<Option<String>> {
        match self.context.missing(name, label) {
            Some(why) => bail!(why),
            None => Ok(label.cloned()),
        }
    }

    fn bounded<T>(&mut self, answer: T) -> Result<T> {
        let held = self.meter.bytes();
        self.most = self.most.max(held);
        if held > self.limiter.limit {
            self.limiter.refused = true;
            bail!("the host holds more than the module's memory limit for it");
        }
        Ok(answer)
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let total = self.used.saturating_add(desired.saturating_sub(current));
        if total > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.used = total;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        Ok(desired <= TABLE_ENTRIES)
    }
}

impl types::Host for Guest {}

impl dicom::Host for Guest {}

impl dicom::HostDataset for Guest {
    fn get(&mut self, _: Resource<Dataset>, path: String) -> Result<Option<String>> {
        self.on(|host| host.get(&path))
    }

    fn values(&mut self, _: Resource<Dataset>, path: String) -> Result<Vec<String>> {
        self.on(|host| host.values(&path))
    }

    fn vr(&mut self, _: Resource<Dataset>, path: String) -> Result<Option<String>> {
        self.on(|host| host.vr(&path))
    }

    fn exists(&mut self, _: Resource<Dataset>, path: String) -> Result<bool> {
        self.on(|host| host.exists(&path))
    }

    fn find(&mut self, _: Resource<Dataset>, pattern: String) -> Result<Vec<String>> {
        self.on(|host| host.find(&pattern))
    }

    fn set(
        &mut self,
        _: Resource<Dataset>,
        path: String,
        value: String,
    ) -> Result<std::result::Result<(), dicom::EditError>> {
        self.edit(|host| host.set(&path, &value))
    }

    fn blank(
        &mut self,
        _: Resource<Dataset>,
        pattern: String,
    ) -> Result<std::result::Result<u32, dicom::EditError>> {
        self.edit(|host| host.blank(&pattern))
    }

    fn remove(
        &mut self,
        _: Resource<Dataset>,
        pattern: String,
    ) -> Result<std::result::Result<u32, dicom::EditError>> {
        self.edit(|host| host.remove(&pattern))
    }

    fn remove_private(
        &mut self,
        _: Resource<Dataset>,
        keep: Vec<String>,
    ) -> Result<std::result::Result<u32, dicom::EditError>> {
        self.edit(|host| host.remove_private(&keep))
    }

    fn apply(
        &mut self,
        _: Resource<Dataset>,
        edits: Vec<dicom::Edit>,
    ) -> Result<std::result::Result<u32, dicom::EditError>> {
        let edits: Vec<Edit> = edits.into_iter().map(Edit::from).collect();
        self.edit(|host| host.apply(&edits))
    }

    fn apply_table(
        &mut self,
        _: Resource<Dataset>,
        table: String,
    ) -> Result<std::result::Result<u32, dicom::EditError>> {
        self.edit(|host| host.apply_table(&table))
    }

    fn redact(
        &mut self,
        _: Resource<Dataset>,
        left: u32,
        top: u32,
        right: u32,
        bottom: u32,
    ) -> Result<std::result::Result<(), dicom::EditError>> {
        let region = Region {
            left,
            top,
            right,
            bottom,
        };
        self.edit(|host| host.redact(region))
    }

    fn drop(&mut self, _: Resource<Dataset>) -> Result<()> {
        Ok(())
    }
}

impl pseudonym::Host for Guest {
    fn uid(&mut self, original: String) -> Result<String> {
        let uid = self.pseudonyms.uid(&original);
        self.bounded(uid)
    }

    fn label(&mut self, domain: String, original: String, digits: u32) -> Result<String> {
        let label = self.pseudonyms.label(&domain, &original, digits);
        self.bounded(label)
    }

    fn days(&mut self, subject: String, max: u32) -> Result<i32> {
        Ok(self.pseudonyms.days(&subject, max))
    }

    fn shift_date(&mut self, date: String, days: i32) -> Result<Option<String>> {
        let shifted = self.pseudonyms.shift_date(&date, days);
        self.bounded(shifted)
    }

    fn lookup(&mut self, table: String, key: String) -> Result<Option<String>> {
        let found = self.context.tables.lookup(&table, &key);
        let told =
            |error: NoTable| error.told(|name| self.quotes.holds(name, &self.context.settings));
        let found = found
            .map_err(|error| wasmtime::Error::msg(told(error)))?
            .map(str::to_owned);
        self.bounded(found)
    }
}

impl context::Host for Guest {
    fn project(&mut self) -> Result<String> {
        Ok(self.context.project.clone())
    }

    fn subject(&mut self) -> Result<Option<String>> {
        self.label("subject", self.context.subject.as_ref())
    }

    fn session(&mut self) -> Result<Option<String>> {
        self.label("session", self.context.session.as_ref())
    }

    fn parameter(&mut self, name: String) -> Result<Option<String>> {
        Ok(self.context.parameters.get(&name).cloned())
    }

    fn file(&mut self) -> Result<String> {
        Ok(self.context.file.clone())
    }

    fn received(&mut self) -> Result<String> {
        Ok(self.context.received.clone())
    }

    fn settings(&mut self) -> Result<String> {
        Ok(self.context.settings.to_string())
    }
}
