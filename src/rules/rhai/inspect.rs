//! A script looked at without running it: which elements it names and where, what it calls that is not
//! there, and which lines there are to run.
//!
//! What is known as the dataset or the context is followed through parameters of the script's own
//! functions, not through other variables: a check that guesses would cry wolf.

mod dropped;
mod table;

use super::super::document::did_you_mean;
use super::super::engine::CompileError;
use super::super::host::rows::ACTIONS;
use super::super::manifest::{Kind, Manifest};
use super::super::position::Position;
use super::names::{Names, names};
use super::{compile_error, failure, sandbox};
use ::rhai::{AST, ASTNode, Expr, FnCallExpr, OptimizationLevel, Stmt};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What a look at a script tells.
#[derive(Debug, Default)]
pub struct Script {
    pub paths: Vec<NamedPath>,
    /// Every other text in it, any of which could be a path.
    pub texts: BTreeSet<String>,
    pub problems: Vec<(Option<Position>, String)>,
    /// The lines on which a statement starts.
    pub lines: BTreeSet<usize>,
}

/// A path that stands in a call on the dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPath {
    pub path: String,
    pub use_: Use,
    pub position: Option<Position>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// One element.
    Read,
    /// All that match a pattern.
    Find,
    Set,
    /// All that match a pattern.
    Edit,
    /// The pixels made black.
    Redact,
    /// Kept from removal: neither read nor written.
    Keep,
}

/// The calls on a dataset that take a path, and what they do with it.
const PATH_CALLS: [(&str, Use); 8] = [
    ("get", Use::Read),
    ("values", Use::Read),
    ("vr", Use::Read),
    ("exists", Use::Read),
    ("find", Use::Find),
    ("set", Use::Set),
    ("blank", Use::Edit),
    ("remove", Use::Edit),
];

/// Words of the language that look like calls.
const LANGUAGE: [&str; 5] = ["type_of", "is_def_var", "is_def_fn", "is_shared", "len"];

const THIS: &str = "this";

pub fn inspect(manifest: &Manifest, code: &str) -> Result<Script, CompileError> {
    let mut engine = sandbox::engine(&manifest.limits);
    // An optimizer folds constants, and forgets where they stood.
    engine.set_optimization_level(OptimizationLevel::None);
    let ast = engine
        .compile(code)
        .map_err(|error| compile_error(&error))?;
    let mut inspector = Inspector::new(manifest, code, &ast);
    inspector.find_roles();
    inspector.look();
    let mut script = inspector.script;
    script.paths.sort_by_key(|named| named.position);
    script.problems.sort_by_key(|(position, _)| *position);
    Ok(script)
}

/// What a name stands for in a function.
#[derive(Debug, Default, Clone)]
struct Roles {
    dataset: HashSet<String>,
    context: HashSet<String>,
}

type Function = (String, usize);

struct Inspector<'c> {
    /// Each function by itself, with the names of its parameters.
    functions: Vec<(Function, Vec<String>, AST)>,
    roles: HashMap<Function, Roles>,
    known: &'static Names,
    code: &'c str,
    script: Script,
}

impl<'c> Inspector<'c> {
    fn new(manifest: &Manifest, code: &'c str, ast: &AST) -> Self {
        let functions: Vec<_> = ast
            .iter_functions()
            .map(|f| {
                let params: Vec<String> = f.params.iter().map(|p| (*p).to_owned()).collect();
                // Rhai's own filtered clone lets all of them through where the clone is empty before.
                let mut alone = ast.clone_functions_only();
                alone.retain_functions(|_, _, name, arity| name == f.name && arity == params.len());
                ((f.name.to_owned(), params.len()), params, alone)
            })
            .collect();
        let mut roles = HashMap::new();
        let entry = (manifest.kind.function().to_owned(), 2);
        if let Some((_, params, _)) = functions.iter().find(|(name, ..)| *name == entry) {
            let mut own = Roles::default();
            if manifest.kind != Kind::Route {
                own.dataset.insert(params[0].clone());
            }
            own.context.insert(params[1].clone());
            roles.insert(entry, own);
        }
        Self {
            functions,
            roles,
            known: names(),
            code,
            script: Script::default(),
        }
    }

    /// Follows dataset and context into the functions that are called with them.
    fn find_roles(&mut self) {
        loop {
            let mut found = Vec::new();
            for (function, _, ast) in &self.functions {
                let Some(roles) = self.roles.get(function) else {
                    continue;
                };
                each_call(ast, &mut |receiver, call, _| {
                    if call.is_qualified() {
                        return;
                    }
                    let arguments = call.args.iter().map(variable).collect::<Vec<_>>();
                    let callee = (call.name.to_string(), arguments.len());
                    let Some((_, params, _)) = self.functions.iter().find(|f| f.0 == callee) else {
                        return;
                    };
                    let this = receiver.map(|r| (THIS.to_owned(), variable(r)));
                    let named = params.iter().cloned().zip(arguments).chain(this);
                    for (param, argument) in named {
                        let Some(argument) = argument else { continue };
                        if roles.dataset.contains(&argument) {
                            found.push((callee.clone(), param, true));
                        } else if roles.context.contains(&argument) {
                            found.push((callee.clone(), param, false));
                        }
                    }
                });
            }
            let mut is_new = false;
            for (callee, param, is_dataset) in found {
                let roles = self.roles.entry(callee).or_default();
                let set = if is_dataset {
                    &mut roles.dataset
                } else {
                    &mut roles.context
                };
                is_new |= set.insert(param);
            }
            if !is_new {
                return;
            }
        }
    }

    fn look(&mut self) {
        let functions = std::mem::take(&mut self.functions);
        let own: HashSet<&Function> = functions.iter().map(|(function, ..)| function).collect();
        for (function, _, ast) in &functions {
            let roles = self.roles.get(function).cloned().unwrap_or_default();
            ast.walk(&mut |path: &[ASTNode]| {
                match path.last() {
                    Some(ASTNode::Stmt(stmt)) => self.statement(stmt),
                    Some(ASTNode::Expr(Expr::StringConstant(text, _))) => {
                        self.script.texts.insert(text.to_string());
                    }
                    Some(ASTNode::Expr(Expr::Dot(x, ..))) => {
                        if let (Some(of), Expr::Property(name, at)) =
                            (variable(&x.lhs), first_of(&x.rhs))
                            && roles.context.contains(&of)
                        {
                            self.property(&name.2, *at);
                        }
                    }
                    _ => {}
                }
                true
            });
            for (answer, at) in dropped::dropped(ast) {
                let what =
                    format!("what `{answer}` answers is dropped: write `return {answer}(…);`");
                self.problem(at, what);
            }
            each_call(ast, &mut |receiver, call, at| {
                self.call(&own, &roles, receiver, call, at);
            });
        }
        let named: HashSet<&str> = self.script.paths.iter().map(|p| p.path.as_str()).collect();
        self.script
            .texts
            .retain(|text| !named.contains(text.as_str()));
    }

    fn statement(&mut self, stmt: &Stmt) {
        let is_step = match stmt {
            Stmt::Noop(_) | Stmt::Block(_) => false,
            Stmt::Expr(expr) => !expr.is_constant() && !matches!(**expr, Expr::Stmt(_)),
            _ => true,
        };
        if let (true, Some(line)) = (is_step, stmt.position().line()) {
            self.script.lines.insert(line);
        }
    }

    fn property(&mut self, name: &str, at: ::rhai::Position) {
        let known = &self.known.properties;
        if !known.contains(name) {
            let hint = did_you_mean(name, known.iter().map(String::as_str));
            self.problem(at, format!("the context has no `{name}`{hint}"));
        }
    }

    fn call(
        &mut self,
        own: &HashSet<&Function>,
        roles: &Roles,
        receiver: Option<&Expr>,
        call: &FnCallExpr,
        at: ::rhai::Position,
    ) {
        let is_on = |set: &HashSet<String>| {
            receiver
                .and_then(variable)
                .is_some_and(|r| set.contains(&r))
        };
        if call.is_operator_call() || !is_name(&call.name) {
            return;
        }
        let arity = call.args.len();
        if call.is_qualified() {
            let space: Vec<_> = call
                .namespace
                .path
                .iter()
                .map(|part| part.as_str())
                .collect();
            return match space.as_slice() {
                ["pseudonym"] => {
                    self.known_call("pseudonym::", &self.known.pseudonym, &call.name, arity, at);
                }
                _ => self.problem(at, format!("there is no module `{}`", space.join("::"))),
            };
        }
        let is_own = own.contains(&(call.name.to_string(), arity));
        if !is_own && !LANGUAGE.contains(&call.name.as_str()) {
            let takes = arity + usize::from(receiver.is_some());
            self.known_call("", &self.known.functions, &call.name, takes, at);
        }
        let on_dataset = is_on(&roles.dataset)
            || receiver.is_none()
                && !is_own
                && call
                    .args
                    .first()
                    .and_then(variable)
                    .is_some_and(|v| roles.dataset.contains(&v));
        if on_dataset {
            let skipped = usize::from(receiver.is_none());
            match call.name.as_str() {
                "redact" => self.script.paths.push(NamedPath {
                    path: "PixelData".to_owned(),
                    use_: Use::Redact,
                    position: failure::position(at),
                }),
                name => self.dataset_call(name, call.args.get(skipped)),
            }
        }
    }

    fn dataset_call(&mut self, name: &str, argument: Option<&Expr>) {
        let Some(argument) = argument else { return };
        match (name, argument) {
            ("apply", Expr::Array(edits, _)) => edits.iter().for_each(|edit| self.edit(edit)),
            ("apply_table", table) => self.table(table),
            ("remove_private", Expr::Array(keep, _)) => {
                keep.iter().for_each(|path| self.path(path, Use::Keep));
            }
            _ => {
                if let Some((_, use_)) = PATH_CALLS.iter().find(|(call, _)| *call == name) {
                    self.path(argument, *use_);
                }
            }
        }
    }

    /// `#{ pattern: "…", action: "…" }`
    fn edit(&mut self, edit: &Expr) {
        let Expr::Map(map, _) = edit else { return };
        for (key, value) in &map.0 {
            match (key.as_str(), value) {
                ("pattern", value) => self.path(value, Use::Edit),
                ("action", Expr::StringConstant(action, at))
                    if !ACTIONS.contains(&action.as_str()) =>
                {
                    let hint = did_you_mean(action, ACTIONS.into_iter());
                    self.problem(*at, format!("there is no action {action:?}{hint}"));
                }
                ("action" | "value" | "days", _) => {}
                (other, _) => {
                    let hint =
                        did_you_mean(other, ["pattern", "action", "value", "days"].into_iter());
                    self.problem(key.pos, format!("an edit has no `{other}`{hint}"));
                }
            }
        }
    }

    fn path(&mut self, expr: &Expr, use_: Use) {
        if let Expr::StringConstant(path, at) = expr {
            self.script.paths.push(NamedPath {
                path: path.to_string(),
                use_,
                position: failure::position(*at),
            });
        }
    }

    fn known_call(
        &mut self,
        space: &str,
        known: &'static HashMap<String, BTreeSet<usize>>,
        name: &str,
        arity: usize,
        at: ::rhai::Position,
    ) {
        let Some(arities) = known.get(name) else {
            let own = self.roles.keys().map(|(name, _)| name.as_str());
            let hint = did_you_mean_only(name, known.keys().map(String::as_str).chain(own));
            return self.problem(at, format!("there is no function `{space}{name}`{hint}"));
        };
        if !arities.contains(&arity) {
            let wanted: Vec<String> = arities.iter().map(usize::to_string).collect();
            let wanted = wanted.join(" or ");
            self.problem(
                at,
                format!("`{space}{name}` takes {wanted} arguments (what stands before the dot is one), not {arity}"),
            );
        }
    }

    fn problem(&mut self, at: ::rhai::Position, message: String) {
        self.script.problems.push((failure::position(at), message));
    }
}

/// The language knows hundreds of functions: only one that is near is worth naming.
fn did_you_mean_only<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    // Of those that are as near, the shortest: `remove` before `remove_private`.
    let mut known: Vec<&str> = known.collect();
    known.sort_by_key(|name| (name.len(), *name));
    let hint = did_you_mean(name, known.into_iter());
    match hint.starts_with(" (did") {
        true => hint,
        false => String::new(),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// The variable that an expression is, if it is nothing else.
fn variable(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Variable(x, ..) => Some(x.1.to_string()),
        Expr::ThisPtr(_) => Some(THIS.to_owned()),
        _ => None,
    }
}

/// What comes next in a chain of dots and brackets.
fn first_of(rest: &Expr) -> &Expr {
    match rest {
        Expr::Dot(x, ..) | Expr::Index(x, ..) => first_of(&x.lhs),
        first => first,
    }
}

/// Every call, with what stands before its dot where that is a variable or another thing by itself.
fn each_call(ast: &AST, visit: &mut dyn FnMut(Option<&Expr>, &FnCallExpr, ::rhai::Position)) {
    // A method call is a node of its own as well: without the one before the dot it would be met again.
    let mut of_chain: HashSet<*const FnCallExpr> = HashSet::new();
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Dot(x, ..))) => {
                if let Expr::MethodCall(call, at) = first_of(&x.rhs)
                    && of_chain.insert(&raw const **call)
                {
                    visit(Some(&x.lhs), call, *at);
                }
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, at)))
                if of_chain.insert(&raw const **call) =>
            {
                // In the middle of a chain: of something that is no variable.
                visit(Some(&Expr::Unit(*at)), call, *at);
            }
            Some(ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at))) => {
                visit(None, call, *at);
            }
            _ => {}
        }
        true
    });
}

#[cfg(test)]
mod tests;
