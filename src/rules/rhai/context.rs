//! `ctx`, what a script sees beside the dataset.

use super::super::host::Context;
use super::values::{Thrown, from_json};
use super::watch::Stopped;
use ::rhai::plugin::*;
use ::rhai::{Dynamic, Map, Position};
use std::sync::Arc;

/// `ctx`
#[derive(Clone)]
pub struct Ctx(pub Arc<Context>);

fn optional(text: Option<&String>) -> Dynamic {
    text.map_or(Dynamic::UNIT, |text| text.clone().into())
}

/// No script can catch that a label is missing, and go on without.
fn label(context: &Context, name: &str, label: Option<&String>) -> Result<Dynamic, Thrown> {
    match context.missing(name, label) {
        Some(why) => Err(Stopped::Broken(why).thrown(Position::NONE)),
        None => Ok(optional(label)),
    }
}

#[export_module]
pub mod context_functions {
    #[rhai_fn(get = "project", pure)]
    pub fn project(ctx: &mut Ctx) -> ImmutableString {
        ctx.0.project.as_str().into()
    }

    #[rhai_fn(get = "subject", pure, return_raw)]
    pub fn subject(ctx: &mut Ctx) -> Result<Dynamic, Thrown> {
        label(&ctx.0, "subject", ctx.0.subject.as_ref())
    }

    #[rhai_fn(get = "session", pure, return_raw)]
    pub fn session(ctx: &mut Ctx) -> Result<Dynamic, Thrown> {
        label(&ctx.0, "session", ctx.0.session.as_ref())
    }

    /// The file's path inside the session folder.
    #[rhai_fn(get = "path", pure)]
    pub fn path(ctx: &mut Ctx) -> ImmutableString {
        ctx.0.file.as_str().into()
    }

    /// The same, under the name that the WIT package has for it.
    #[rhai_fn(get = "file", pure)]
    pub fn file(ctx: &mut Ctx) -> ImmutableString {
        ctx.0.file.as_str().into()
    }

    #[rhai_fn(get = "received", pure)]
    pub fn received(ctx: &mut Ctx) -> ImmutableString {
        ctx.0.received.as_str().into()
    }

    #[rhai_fn(get = "settings", pure, return_raw)]
    pub fn settings(ctx: &mut Ctx) -> Result<Dynamic, Thrown> {
        from_json(&ctx.0.settings)
    }

    /// All parameters of the import call, as a map.
    #[rhai_fn(get = "parameters", pure)]
    pub fn parameters(ctx: &mut Ctx) -> Map {
        let all = ctx.0.parameters.iter();
        all.map(|(name, value)| (name.as_str().into(), value.clone().into()))
            .collect()
    }

    #[rhai_fn(pure)]
    pub fn parameter(ctx: &mut Ctx, name: &str) -> Dynamic {
        optional(ctx.0.parameters.get(name))
    }
}
