//! Rhai rules: a script compiled once, run each time in a fresh scope, within the limits of its manifest; engine and
//! script are shared, and keep nothing of a run. What a script may call is in `rhai/dataset.rs`, `rhai/context.rs`,
//! `rhai/pseudonym.rs` and `rhai/answers.rs`; what bounds it in `rhai/sandbox.rs` and `rhai/watch.rs`.

mod answers;
mod context;
mod dataset;
mod expressions;
mod failure;
pub mod inspect;
mod names;
mod pseudonym;
mod sandbox;
mod texts;
mod values;
mod watch;

use super::answer::{Labels, RuleFailure, Verdict};
use super::engine::{CompileError, Engine, Ran, Routed};
use super::host::{Context, Host, Quotes};
use super::manifest::{Kind, Limits, Manifest};
use super::pseudonym::Pseudonyms;
use super::usage::{Reached, Spent};
use ::rhai::{AST, CallFnOptions, Dynamic, FuncArgs, Scope};
use answers::Answered;
use context::Ctx;
use dataset::Dataset;
use pseudonym::Service;
use std::sync::Arc;
use values::from_json;
use watch::{Run, Watch};

/// A compiled script.
pub struct RhaiEngine {
    name: String,
    kind: Kind,
    limits: Limits,
    engine: ::rhai::Engine,
    ast: AST,
    code: Box<str>,
    /// The texts that its failures may quote.
    quotes: Arc<Quotes>,
}

impl RhaiEngine {
    /// With `reached`, the engine notes the lines that its runs reach.
    pub fn compile(
        manifest: &Manifest,
        code: &[u8],
        reached: Option<Arc<Reached>>,
    ) -> Result<Self, CompileError> {
        let unplaced = |message: String| CompileError {
            position: None,
            message,
        };
        let text = std::str::from_utf8(code)
            .map_err(|error| unplaced(format!("is no UTF-8 text: {error}")))?;
        let mut engine = sandbox::engine(&manifest.limits);
        if let Some(reached) = &reached {
            sandbox::note_lines(&mut engine, reached);
        }
        let ast = {
            let _bounded = Run::begin(Watch::start(&manifest.limits));
            engine
                .compile(text)
                .map_err(|error| compile_error(&error))?
        };
        let function = manifest.kind.function();
        let has = |f: ::rhai::ScriptFnMetadata<'_>| f.name == function && f.params.len() == 2;
        if !ast.iter_functions().any(has) {
            let first = if manifest.kind == Kind::Route {
                "summary"
            } else {
                "ds"
            };
            return Err(unplaced(format!(
                "has no function {function}({first}, ctx)"
            )));
        }
        Ok(Self {
            name: manifest.name.clone(),
            kind: manifest.kind,
            limits: manifest.limits,
            code: text.into(),
            quotes: Arc::new(texts::texts(manifest, text)),
            engine,
            ast,
        })
    }

    /// One call of the script's function, and what it took. All that it makes is gone when this returns.
    fn call(
        &self,
        watch: Watch,
        service: Service,
        arguments: impl FuncArgs,
    ) -> (Result<Dynamic, RuleFailure>, Spent) {
        let run = Run::begin(watch);
        let options = CallFnOptions::new().with_tag(Dynamic::from(service));
        let function = self.kind.function();
        let answer = self
            .engine
            .call_fn_with_options(options, &mut Scope::new(), &self.ast, function, arguments)
            .map_err(|error| failure::from_rhai(&self.name, &self.code, &self.limits, *error));
        (answer, run.spent())
    }

    /// One call on a dataset, which comes back whatever the script did with its handle.
    fn call_on<T>(
        &self,
        kind: Kind,
        mut host: Host,
        answer: impl FnOnce(&Answered<'_>, Dynamic) -> Result<T, RuleFailure>,
    ) -> Ran<T> {
        if kind != self.kind {
            return Ran {
                host,
                answer: Err(self.wrong_kind(kind)),
                spent: Spent::default(),
            };
        }
        let watch = Watch::start(&self.limits);
        let context = Ctx(Arc::clone(&host.context));
        host.set_quotes(Arc::clone(&self.quotes));
        let settings = Arc::clone(&host.context.settings);
        let service = Service::new(&host.pseudonyms, &host.context, &self.quotes);
        let (dataset, lent) = Dataset::lend(host, watch);
        let (called, spent) = self.call(watch, service, (dataset, context));
        let answer = called.and_then(|value| answer(&self.answered(&settings), value));
        Ran {
            host: lent.take_back(),
            answer,
            spent,
        }
    }

    fn answered<'a>(&'a self, settings: &'a str) -> Answered<'a> {
        Answered {
            module: &self.name,
            quotes: &self.quotes,
            settings,
        }
    }

    fn wrong_kind(&self, kind: Kind) -> RuleFailure {
        let (own, asked) = (self.kind.function(), kind.function());
        failure::broke(
            &self.name,
            format!("is of kind {own}, and was asked to {asked}"),
        )
    }
}

fn compile_error(error: &::rhai::ParseError) -> CompileError {
    CompileError {
        position: failure::position(error.position()),
        message: error.err_type().to_string(),
    }
}

impl Engine for RhaiEngine {
    fn label(&self, host: Host) -> Ran<Labels> {
        self.call_on(Kind::Label, host, answers::labels)
    }

    fn anonymize(&self, host: Host) -> Ran<Verdict> {
        self.call_on(Kind::Anonymize, host, answers::verdict)
    }

    fn route(&self, summary: &str, context: Arc<Context>, pseudonyms: Arc<Pseudonyms>) -> Routed {
        if self.kind != Kind::Route {
            return Routed {
                answer: Err(self.wrong_kind(Kind::Route)),
                spent: Spent::default(),
            };
        }
        let watch = Watch::start(&self.limits);
        let summary = match from_json(summary) {
            Ok(summary) => summary,
            Err(error) => {
                return Routed {
                    answer: Err(failure::from_rhai(
                        &self.name,
                        &self.code,
                        &self.limits,
                        *error,
                    )),
                    spent: Spent::default(),
                };
            }
        };
        let settings = Arc::clone(&context.settings);
        let service = Service::new(&pseudonyms, &context, &self.quotes);
        let (value, spent) = self.call(watch, service, (summary, Ctx(context)));
        Routed {
            answer: value.and_then(|value| answers::decision(&self.answered(&settings), value)),
            spent,
        }
    }
}
