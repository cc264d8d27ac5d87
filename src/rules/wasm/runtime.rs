//! The one wasmtime engine of the process, and the clock that stops guests at their deadline.
//! Memory is taken on demand, not pooled: an idle server holds none for rules.

use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wasmtime::{Config, Engine};

const TICK: Duration = Duration::from_millis(10);

/// Guests run on worker threads, which have 2 MiB.
const STACK_BYTES: usize = 512 << 10;

pub struct Runtime {
    pub engine: Engine,
    ticker: Arc<Ticker>,
}

/// While it lives, time passes for guests.
pub struct Running(Arc<Ticker>);

#[derive(Default)]
struct Ticker {
    running: Mutex<usize>,
    started: Condvar,
}

static SHARED: LazyLock<Result<Runtime, String>> = LazyLock::new(Runtime::new);

impl Runtime {
    /// Made when the first component is compiled. The error says why it can't be.
    pub fn shared() -> Result<&'static Self, String> {
        SHARED.as_ref().map_err(String::clone)
    }

    fn new() -> Result<Self, String> {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            // For the count of instructions that metrics and benches show.
            .consume_fuel(true)
            .max_wasm_stack(STACK_BYTES);
        // The same input gives the same bytes on every machine.
        config
            .cranelift_nan_canonicalization(true)
            .relaxed_simd_deterministic(true);
        let engine = Engine::new(&config).map_err(|error| format!("no WebAssembly: {error:#}"))?;
        let ticker = Arc::new(Ticker::default());
        let (ticked, waited) = (engine.clone(), Arc::clone(&ticker));
        std::thread::Builder::new()
            .name("rule-deadlines".to_owned())
            .spawn(move || {
                loop {
                    waited.wait_until_running();
                    std::thread::sleep(TICK);
                    ticked.increment_epoch();
                }
            })
            .map_err(|error| format!("no thread to hold rules to their deadlines: {error}"))?;
        Ok(Self { engine, ticker })
    }

    pub fn running(&self) -> Running {
        *self.ticker.lock() += 1;
        self.ticker.started.notify_one();
        Running(Arc::clone(&self.ticker))
    }
}

/// How many ticks a deadline is: at least that long, as the first tick may come at once.
pub fn ticks(deadline: Duration) -> u64 {
    deadline.as_millis().div_ceil(TICK.as_millis()) as u64 + 1
}

impl Ticker {
    /// An idle server does not wake up a hundred times a second.
    fn wait_until_running(&self) {
        let idle = self
            .started
            .wait_while(self.lock(), |running| *running == 0);
        drop(idle.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
    }
}
