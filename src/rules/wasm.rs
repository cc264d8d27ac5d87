//! WebAssembly rules: a component compiled once, run each time in a fresh store and instance, within
//! the limits of its manifest. It gets what `plugins/wit` says and nothing else: no clock, randomness,
//! files or network. Components come from module files only, never precompiled.

mod bindings;
mod guest;
mod runtime;

use super::answer::{Decision, Labels, RuleFailure, Verdict};
use super::engine::{CompileError, Engine, Ran, Routed};
use super::host::{Context, Host, Quotes};
use super::manifest::{Kind, Limits, Manifest};
use super::pseudonym::Pseudonyms;
use super::usage::Spent;
use bindings::{AnonymizePre, LabelPre, RoutePre};
use guest::{Dataset, Guest};
use runtime::Runtime;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::component::{Component, HasSelf, Linker, Resource};
use wasmtime::{Store, Trap};

/// A compiled component, linked for the world of its kind.
pub struct WasmEngine {
    name: String,
    limits: Limits,
    runtime: &'static Runtime,
    world: World,
    /// The texts that its failures may quote are in its code.
    quotes: Arc<Quotes>,
}

enum World {
    Label(LabelPre<Guest>),
    Anonymize(AnonymizePre<Guest>),
    Route(RoutePre<Guest>),
}

impl WasmEngine {
    pub fn compile(manifest: &Manifest, code: &[u8]) -> Result<Self, CompileError> {
        let failed = |message: String| CompileError {
            position: None,
            message,
        };
        let runtime = Runtime::shared().map_err(failed)?;
        let world =
            link(runtime, manifest.kind, code).map_err(|error| failed(format!("{error:#}")))?;
        Ok(Self {
            name: manifest.name.clone(),
            limits: manifest.limits,
            runtime,
            world,
            quotes: Arc::new(Quotes::Code(code.into())),
        })
    }

    /// One call on a fresh store; the guest's state comes back whatever happened.
    fn call<T>(
        &self,
        guest: Guest,
        call: impl FnOnce(&mut Store<Guest>) -> wasmtime::Result<Result<T, String>>,
    ) -> (Guest, Result<T, RuleFailure>, Spent) {
        let started = Instant::now();
        let running = self.runtime.running();
        let mut store = Store::new(&self.runtime.engine, guest);
        store.limiter(|guest| &mut guest.limiter);
        store.set_hostcall_fuel(self.limits.memory_bytes());
        store.set_epoch_deadline(runtime::ticks(self.limits.deadline()));
        // Fuel never runs out: the deadline stops a guest, and what is left tells how far it came.
        let called = store.set_fuel(u64::MAX).and_then(|()| call(&mut store));
        let steps = store.get_fuel().map_or(0, |left| u64::MAX - left);
        drop(running);
        let guest = store.into_data();
        let spent = Spent {
            time: started.elapsed(),
            steps,
            memory: guest.memory(),
        };
        let answer = match called {
            Ok(Ok(answer)) => Ok(answer),
            // A guest that is refused memory may abort, or say so in its own words, or try for ever.
            _ if guest.limiter.refused => Err(RuleFailure::TooLarge {
                module: self.name.clone(),
                limit: format!("{} MiB", self.limits.memory_mb),
            }),
            Ok(Err(message)) => Err(RuleFailure::Error {
                module: self.name.clone(),
                position: None,
                message,
            }),
            Err(error) => Err(self.trapped(&error)),
        };
        (guest, answer, spent)
    }

    fn call_on<T>(
        &self,
        host: Host,
        call: impl FnOnce(&mut Store<Guest>, Resource<Dataset>) -> wasmtime::Result<Result<T, String>>,
    ) -> Ran<T> {
        let guest = Guest::with_dataset(host, &self.quotes, &self.limits);
        let (guest, answer, spent) = self.call(guest, |store| call(store, Resource::new_borrow(0)));
        Ran {
            host: guest.take_back(),
            answer,
            spent,
        }
    }

    fn trapped(&self, error: &wasmtime::Error) -> RuleFailure {
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => RuleFailure::TooLong {
                module: self.name.clone(),
                limit: format!("{} ms", self.limits.deadline_ms),
            },
            Some(Trap::StackOverflow) => RuleFailure::TooDeep {
                module: self.name.clone(),
                position: None,
            },
            Some(trap) => self.broke(trap.to_string()),
            // What is around it is a list of addresses in the component.
            None => self.broke(error.root_cause().to_string()),
        }
    }

    fn broke(&self, message: String) -> RuleFailure {
        RuleFailure::Broke {
            module: self.name.clone(),
            position: None,
            message,
        }
    }

    fn wrong_kind(&self, asked: Kind) -> RuleFailure {
        let own = match self.world {
            World::Label(_) => Kind::Label,
            World::Anonymize(_) => Kind::Anonymize,
            World::Route(_) => Kind::Route,
        };
        let (own, asked) = (own.function(), asked.function());
        self.broke(format!("is of kind {own}, and was asked to {asked}"))
    }
}

impl Engine for WasmEngine {
    fn label(&self, host: Host) -> Ran<Labels> {
        let World::Label(world) = &self.world else {
            return Ran {
                host,
                answer: Err(self.wrong_kind(Kind::Label)),
                spent: Spent::default(),
            };
        };
        self.call_on(host, |store, dataset| {
            let answer = world
                .instantiate(&mut *store)?
                .call_label(&mut *store, dataset)?;
            Ok(answer.map(Labels::from))
        })
    }

    fn anonymize(&self, host: Host) -> Ran<Verdict> {
        let World::Anonymize(world) = &self.world else {
            return Ran {
                host,
                answer: Err(self.wrong_kind(Kind::Anonymize)),
                spent: Spent::default(),
            };
        };
        self.call_on(host, |store, dataset| {
            let answer = world
                .instantiate(&mut *store)?
                .call_anonymize(&mut *store, dataset)?;
            Ok(answer.map(Verdict::from))
        })
    }

    fn route(&self, summary: &str, context: Arc<Context>, pseudonyms: Arc<Pseudonyms>) -> Routed {
        let World::Route(world) = &self.world else {
            return Routed {
                answer: Err(self.wrong_kind(Kind::Route)),
                spent: Spent::default(),
            };
        };
        let guest = Guest::without_dataset(context, pseudonyms, &self.quotes, &self.limits);
        let (_, answer, spent) = self.call(guest, |store| {
            let answer = world
                .instantiate(&mut *store)?
                .call_route(&mut *store, summary)?;
            Ok(answer.map(Decision::from))
        });
        Routed { answer, spent }
    }
}

/// Fails where the component lacks its kind's function, or wants an import that rules don't get.
fn link(runtime: &Runtime, kind: Kind, code: &[u8]) -> wasmtime::Result<World> {
    let engine = &runtime.engine;
    let component = Component::from_binary(engine, code)?;
    let mut linker = Linker::new(engine);
    Ok(match kind {
        Kind::Label => {
            bindings::Label::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
            World::Label(LabelPre::new(linker.instantiate_pre(&component)?)?)
        }
        Kind::Anonymize => {
            bindings::Anonymize::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
            World::Anonymize(AnonymizePre::new(linker.instantiate_pre(&component)?)?)
        }
        Kind::Route => {
            bindings::Route::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
            World::Route(RoutePre::new(linker.instantiate_pre(&component)?)?)
        }
    })
}
