//! `pseudonym::`: what a script gets in place of what identifies, and what it looks up in tables.

use super::super::host::{Context, Quotes};
use super::super::pseudonym::Pseudonyms;
use super::super::tables::Tables;
use super::values::{Thrown, count};
use super::watch::Stopped;
use ::rhai::plugin::*;
use ::rhai::{Dynamic, INT};
use std::sync::Arc;

/// What is behind `pseudonym::`, carried as the run's tag.
#[derive(Clone)]
pub struct Service {
    pseudonyms: Arc<Pseudonyms>,
    tables: Arc<Tables>,
    quotes: Arc<Quotes>,
    settings: Arc<str>,
}

impl Service {
    pub fn new(pseudonyms: &Arc<Pseudonyms>, context: &Context, quotes: &Arc<Quotes>) -> Self {
        Self {
            pseudonyms: Arc::clone(pseudonyms),
            tables: Arc::clone(&context.tables),
            quotes: Arc::clone(quotes),
            settings: Arc::clone(&context.settings),
        }
    }

    fn of(ctx: &NativeCallContext) -> Result<Self, Thrown> {
        let tag = ctx
            .tag()
            .and_then(|tag| tag.read_lock::<Service>().map(|held| held.clone()));
        tag.ok_or_else(|| "pseudonyms are not available here".into())
    }
}

fn service(ctx: &NativeCallContext) -> Result<Arc<Pseudonyms>, Thrown> {
    Ok(Service::of(ctx)?.pseudonyms)
}

/// `()` stays `()`; anything but text is thrown back.
fn on_text(
    original: Dynamic,
    call: impl FnOnce(&str) -> Result<Dynamic, Thrown>,
) -> Result<Dynamic, Thrown> {
    if original.is_unit() {
        return Ok(Dynamic::UNIT);
    }
    let text = original
        .into_immutable_string()
        .map_err(|found| Thrown::from(format!("expected text or (), found {found}")))?;
    call(&text)
}

#[export_module]
pub mod service_functions {
    #[rhai_fn(return_raw)]
    pub fn uid(ctx: NativeCallContext, original: Dynamic) -> Result<Dynamic, Thrown> {
        let service = service(&ctx)?;
        on_text(original, |text| Ok(service.uid(text).into()))
    }

    /// `()` for a key that is not listed.
    #[rhai_fn(return_raw)]
    pub fn lookup(ctx: NativeCallContext, table: &str, key: Dynamic) -> Result<Dynamic, Thrown> {
        let service = Service::of(&ctx)?;
        on_text(key, |key| {
            let found = service.tables.lookup(table, key).map_err(|error| {
                let told = error.told(|name| service.quotes.holds(name, &service.settings));
                Stopped::Broken(told).thrown(ctx.call_position())
            })?;
            Ok(found.map_or(Dynamic::UNIT, |value| value.to_owned().into()))
        })
    }

    #[rhai_fn(return_raw)]
    pub fn label(
        ctx: NativeCallContext,
        domain: &str,
        original: Dynamic,
        digits: INT,
    ) -> Result<Dynamic, Thrown> {
        let service = service(&ctx)?;
        let digits = count("digits", digits)?;
        on_text(original, |text| {
            Ok(service.label(domain, text, digits).into())
        })
    }

    #[rhai_fn(return_raw)]
    pub fn days(ctx: NativeCallContext, subject: Dynamic, max: INT) -> Result<Dynamic, Thrown> {
        let service = service(&ctx)?;
        let max = count("max", max)?;
        on_text(
            subject,
            |text| Ok(INT::from(service.days(text, max)).into()),
        )
    }

    #[rhai_fn(return_raw)]
    pub fn shift_date(ctx: NativeCallContext, date: Dynamic, days: INT) -> Result<Dynamic, Thrown> {
        let service = service(&ctx)?;
        let days = i32::try_from(days).map_err(|_| "days: is out of range")?;
        on_text(date, |text| {
            Ok(service
                .shift_date(text, days)
                .map_or(Dynamic::UNIT, Dynamic::from))
        })
    }
}
