//! The one wasmtime engine of the process, and the clock that stops guests at their deadline.
//! Instances come from a pool: each is fresh, in a place that is kept. What a guest used is given back or
//! cleared when it ends, so an idle server holds little for rules.

use super::guest::TABLE_ENTRIES;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

const TICK: Duration = Duration::from_millis(10);

/// Guests run on worker threads, which have 2 MiB.
const STACK_BYTES: usize = 512 << 10;

/// The blocking threads of the process are fewer.
const RUNS: u32 = 1000;
const CORES_PER_RUN: u32 = 16;
/// What a manifest may ask for at most.
const LARGEST_MEMORY: usize = 1 << 30;
/// What of a place stays in memory between two runs, cleared.
const KEPT_BYTES: usize = 256 << 10;

pub struct Runtime {
    pub engine: Engine,
    ticker: Arc<Ticker>,
}

/// While it lives, time passes for guests.
pub struct Running(Arc<Ticker>);

#[derive(Default)]
struct Ticker {
    guests: Mutex<Guests>,
    started: Condvar,
}

#[derive(Default)]
struct Guests {
    running: usize,
    /// The clock stands until it is told that there is a guest; to tell is a call of the system each time.
    is_clock_waiting: bool,
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
        config.allocation_strategy(pool());
        let engine = Engine::new(&config)
            .or_else(|_| {
                // Where addresses are limited (ulimit -v) there is no room for a pool.
                config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
                Engine::new(&config)
            })
            .map_err(|error| format!("no WebAssembly: {error:#}"))?;
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
        let mut guests = self.ticker.lock();
        guests.running += 1;
        if guests.is_clock_waiting {
            self.ticker.started.notify_one();
        }
        drop(guests);
        Running(Arc::clone(&self.ticker))
    }
}

/// Room for more runs at once than there are threads, and for the largest module that a manifest may ask for.
/// That is addresses and not memory; what is kept of a place after a run is little.
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(RUNS)
        .total_memories(RUNS)
        .max_memory_size(LARGEST_MEMORY)
        // A component with an interpreter inside is made of dozens.
        .total_core_instances(RUNS * CORES_PER_RUN)
        .total_tables(RUNS * CORES_PER_RUN)
        .table_elements(TABLE_ENTRIES)
        // Only the pages that were written are put back, where the kernel tells which (Linux 6.7): else the lowest
        // are cleared, used or not, and those above, where a guest's data lies, fault again in each run.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(KEPT_BYTES)
        .table_keep_resident(KEPT_BYTES);
    pool
}

/// How many ticks a deadline is: at least that long, as the first tick may come at once.
pub fn ticks(deadline: Duration) -> u64 {
    deadline.as_millis().div_ceil(TICK.as_millis()) as u64 + 1
}

impl Ticker {
    /// An idle server does not wake up a hundred times a second.
    fn wait_until_running(&self) {
        let idle = self.started.wait_while(self.lock(), |guests| {
            guests.is_clock_waiting = guests.running == 0;
            guests.is_clock_waiting
        });
        drop(idle.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
    }
}
