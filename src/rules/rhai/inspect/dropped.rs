//! Answers that a script makes and drops: `if … { quarantine("why") }` in the middle of a function does nothing, and
//! the file is kept all the same.

use ::rhai::{AST, ASTNode, Expr, Position, Stmt, StmtBlock};

/// What makes an answer.
const ANSWERS: [&str; 7] = [
    "keep",
    "reject",
    "quarantine",
    "prearchive",
    "archive",
    "archive_overwrite",
    "split",
];

/// Those in a function, which `ast` holds by itself: the call's name, and where it stands.
pub fn dropped(ast: &AST) -> Vec<(String, Position)> {
    let mut tail: Option<*const Stmt> = None;
    ast.walk(&mut |path: &[ASTNode]| {
        if let [ASTNode::Stmt(stmt)] = path {
            tail = Some(std::ptr::from_ref(*stmt));
        }
        true
    });
    let mut dropped = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Stmt(stmt)) = path.last()
            && let Some((name, at)) = answer(stmt)
            && !is_value(path, tail)
        {
            dropped.push((name.to_owned(), at));
        }
        true
    });
    dropped
}

/// A statement that is nothing but an answer.
fn answer(stmt: &Stmt) -> Option<(&str, Position)> {
    let (call, at) = match stmt {
        Stmt::FnCall(call, at) => (call, at),
        Stmt::Expr(expr) => match &**expr {
            Expr::FnCall(call, at) => (call, at),
            _ => return None,
        },
        _ => return None,
    };
    let is_answer = !call.is_qualified() && ANSWERS.contains(&call.name.as_str());
    is_answer.then_some((call.name.as_str(), *at))
}

/// Whether the last statement of a path is the value of all that it stands in, up to the function: the last of its
/// block, which is the last of the one around it.
fn is_value(path: &[ASTNode], tail: Option<*const Stmt>) -> bool {
    // A block in an expression has a value that something is done with.
    if path.iter().any(|node| matches!(node, ASTNode::Expr(_))) {
        return true;
    }
    let mut around: Option<&Stmt> = None;
    for node in path {
        let ASTNode::Stmt(stmt) = *node else {
            continue;
        };
        let is_last_of = |block: &StmtBlock| {
            block
                .statements()
                .last()
                .is_some_and(|last| std::ptr::eq(last, stmt))
        };
        let goes_on = match around {
            None => tail.is_some_and(|tail| std::ptr::eq(tail, stmt)),
            Some(Stmt::If(flow, _) | Stmt::TryCatch(flow, _)) => {
                is_last_of(&flow.body) || is_last_of(&flow.branch)
            }
            Some(Stmt::Block(block)) => is_last_of(block),
            // A loop has no value but that of `break`.
            Some(Stmt::While(..) | Stmt::Do(..) | Stmt::For(..)) => false,
            Some(_) => true,
        };
        if !goes_on {
            return false;
        }
        around = Some(stmt);
    }
    true
}
