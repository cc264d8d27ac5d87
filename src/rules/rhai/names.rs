//! The names that a script may use, read off the engine's own functions, for whoever looks at a script before it runs.

use super::sandbox::{FUNCTIONS, PSEUDONYM};
use ::rhai::Shared;
use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

/// What a script may call, by name, with the numbers of arguments that it takes.
pub struct Names {
    pub functions: HashMap<String, BTreeSet<usize>>,
    /// Those of the module `pseudonym`.
    pub pseudonym: HashMap<String, BTreeSet<usize>>,
    /// Of the context.
    pub properties: BTreeSet<String>,
}

pub fn names() -> &'static Names {
    static NAMES: LazyLock<Names> = LazyLock::new(|| {
        let functions = arities([&*FUNCTIONS]);
        let getters = functions
            .keys()
            .filter_map(|name| name.strip_prefix("get$"));
        Names {
            properties: getters.map(str::to_owned).collect(),
            pseudonym: arities([&*PSEUDONYM]),
            functions,
        }
    });
    &NAMES
}

fn arities<'a>(
    modules: impl IntoIterator<Item = &'a Shared<::rhai::Module>>,
) -> HashMap<String, BTreeSet<usize>> {
    let mut names: HashMap<String, BTreeSet<usize>> = HashMap::new();
    for module in modules {
        for signature in module.gen_fn_signatures_with_mapper(Into::into) {
            let Some((name, rest)) = signature.split_once('(') else {
                continue;
            };
            names
                .entry(name.to_owned())
                .or_default()
                .insert(parameters(rest));
        }
    }
    names
}

/// How many parameters there are in `a: X<Y, Z>, b) -> T`.
fn parameters(rest: &str) -> usize {
    let (mut depth, mut commas, mut is_empty) = (0, 0, true);
    for c in rest.chars() {
        match c {
            ')' if depth == 0 => break,
            '(' | '<' | '[' => depth += 1,
            ')' | '>' | ']' => depth -= 1,
            ',' if depth == 0 => commas += 1,
            _ => {}
        }
        is_empty = false;
    }
    if is_empty { 0 } else { commas + 1 }
}
