//! The texts that stand in a script.

use super::super::host::Quotes;
use super::super::manifest::Manifest;
use super::sandbox;
use ::rhai::{ASTNode, Expr, OptimizationLevel};
use std::collections::BTreeSet;

/// The texts that stand in a script, and the keys of its maps: what its failures may quote.
pub fn texts(manifest: &Manifest, code: &str) -> Quotes {
    let mut engine = sandbox::engine(&manifest.limits);
    engine.set_optimization_level(OptimizationLevel::None);
    let mut texts = BTreeSet::new();
    if let Ok(ast) = engine.compile(code) {
        ast.walk(&mut |path: &[ASTNode]| {
            match path.last() {
                Some(ASTNode::Expr(Expr::StringConstant(text, _))) => {
                    texts.insert(text.to_string());
                }
                Some(ASTNode::Expr(Expr::Map(map, _))) => {
                    texts.extend(map.0.iter().map(|(key, _)| key.name.to_string()));
                }
                _ => {}
            }
            true
        });
    }
    Quotes::of_texts(texts.iter().map(String::as_str))
}
