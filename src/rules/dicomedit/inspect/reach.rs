//! What no file comes to: behind a `reject` without a condition, and in branches whose condition is settled.

use super::Problem;
use crate::rules::dicomedit::functions::Id;
use crate::rules::dicomedit::syntax::{Action, Call, Condition, Kind, Operator, Statement};
use crate::rules::position::Position;

/// Adds a problem for the first statement of each stretch that never runs.
pub fn unreachable(statements: &[Statement], problems: &mut Vec<Problem>) {
    let mut rejected: Option<Position> = None;
    for statement in statements {
        if let Some(at) = rejected {
            if !matches!(statement.action, Action::Nothing) {
                let why = format!("never runs: {at} rejects every file");
                problems.push(warning(statement.position, why));
                return;
            }
            continue;
        }
        if always_rejects(&statement.action) {
            rejected = Some(statement.position);
        }
        if let Action::If {
            branches,
            otherwise,
        } = &statement.action
        {
            settled(statement.position, branches, otherwise, problems);
            for (_, block) in branches {
                unreachable(block, problems);
            }
            unreachable(otherwise, problems);
        }
    }
}

fn settled(
    position: Position,
    branches: &[(Condition, Vec<Statement>)],
    otherwise: &[Statement],
    problems: &mut Vec<Problem>,
) {
    let at = |block: &[Statement]| block.first().map_or(position, |first| first.position);
    for (index, (condition, block)) in branches.iter().enumerate() {
        let earlier = branches[..index]
            .iter()
            .find(|(earlier, _)| same(earlier, condition));
        match (constant(condition), earlier) {
            (Some(false), _) => {
                let why = "never runs: its condition holds for no file".to_owned();
                problems.push(warning(at(block), why));
            }
            (None, Some(_)) => {
                let why = "never runs: an earlier branch has the same condition".to_owned();
                problems.push(warning(at(block), why));
            }
            (Some(true), _) => {
                let after = branches[index + 1..]
                    .iter()
                    .map(|(_, block)| block.as_slice());
                let rest = after.chain([otherwise]).find(|block| !block.is_empty());
                if let Some(block) = rest {
                    let why = "never runs: the condition before holds for every file".to_owned();
                    problems.push(warning(at(block), why));
                }
                return;
            }
            (None, None) => {}
        }
    }
}

fn always_rejects(action: &Action) -> bool {
    match action {
        Action::Call(call) => {
            let first = call.arguments.first().map(|argument| &argument.kind);
            call.function.id == Id::Reject
                && match first {
                    None => true,
                    Some(Kind::Call(Call { function, .. })) => function.id == Id::True,
                    Some(_) => false,
                }
        }
        Action::If {
            branches,
            otherwise,
        } => {
            let mut blocks = branches.iter().map(|(_, block)| block).chain([otherwise]);
            blocks.all(|block| block.iter().any(|inner| always_rejects(&inner.action)))
        }
        _ => false,
    }
}

/// What a condition is for every file, if that can be told.
fn constant(condition: &Condition) -> Option<bool> {
    match condition {
        Condition::Call(call) => match call.function.id {
            Id::True => Some(true),
            Id::False => Some(false),
            _ => None,
        },
        Condition::Compare {
            left,
            operator,
            right,
        } => match (&left.kind, operator, &right.kind) {
            (Kind::Text(left), Operator::Equal, Kind::Text(right)) => Some(left == right),
            (Kind::Text(left), Operator::NotEqual, Kind::Text(right)) => Some(left != right),
            _ => None,
        },
    }
}

/// Whether two conditions answer the same at one place: those without calls.
fn same(a: &Condition, b: &Condition) -> bool {
    let (
        Condition::Compare {
            left: a_left,
            operator: a_operator,
            right: a_right,
        },
        Condition::Compare {
            left: b_left,
            operator: b_operator,
            right: b_right,
        },
    ) = (a, b)
    else {
        return false;
    };
    a_operator == b_operator
        && same_value(&a_left.kind, &b_left.kind)
        && same_value(&a_right.kind, &b_right.kind)
}

fn same_value(a: &Kind, b: &Kind) -> bool {
    match (a, b) {
        (Kind::Text(a), Kind::Text(b)) => a == b,
        (Kind::Variable(a), Kind::Variable(b)) => a == b,
        (Kind::Path(a), Kind::Path(b)) => a == b,
        _ => false,
    }
}

fn warning(position: Position, message: String) -> Problem {
    Problem {
        position,
        is_error: false,
        message,
    }
}
