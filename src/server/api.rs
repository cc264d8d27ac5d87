//! Routes together with what they are for.
//!
//! The server's routes are made here and nowhere else: a route is added and described in the same call, and the
//! OpenAPI document is written from what was added. So there is no route that it does not know of, and none in it
//! that does not answer.

mod components;
mod document;
mod operation;

use std::convert::Infallible;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, Route, on};
use tower::{Layer, Service};

use super::state::AppState;

pub use document::document;
pub use operation::{Field, Operation, Schema, delete, get, post, put};

/// A router that knows what its routes are for.
pub struct Api {
    family: &'static str,
    router: Router<AppState>,
    operations: Vec<Operation>,
}

impl Api {
    /// Without routes. Those that are added to it are shown as one family.
    pub fn new(family: &'static str) -> Api {
        Api {
            family,
            router: Router::new(),
            operations: Vec::new(),
        }
    }

    /// A route, and what is said of it.
    pub fn on<H, T>(mut self, operation: Operation, handler: H) -> Api
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        let filter = match operation.method {
            "get" => MethodFilter::GET,
            "put" => MethodFilter::PUT,
            "post" => MethodFilter::POST,
            _ => MethodFilter::DELETE,
        };
        self.router = self.router.route(&operation.path, on(filter, handler));
        self.operations.push(operation.of_family(self.family));
        self
    }

    /// With more to be said of each operation.
    pub fn each(mut self, more: impl Fn(Operation) -> Operation) -> Api {
        self.operations = self.operations.into_iter().map(more).collect();
        self
    }

    pub fn merge(mut self, other: Api) -> Api {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        self
    }

    /// All of `other`, below a path.
    pub fn nest(mut self, path: &str, mut other: Api) -> Api {
        self.router = self.router.nest(path, other.router);
        other.operations.iter_mut().for_each(|o| o.put_below(path));
        self.operations.extend(other.operations);
        self
    }

    /// Routes that are here already, below `original` (which may be empty), once more below another path: they are
    /// not described twice, but named where they are.
    pub fn also_at(mut self, path: &str, original: &str, again: Api) -> Api {
        self.router = self.router.nest(path, again.router);
        for mut other in again.operations {
            let known = self.operations.iter_mut().find(|known| {
                let below = known.path.strip_prefix(original);
                known.method == other.method && below == Some(&other.path)
            });
            other.put_below(path);
            match known {
                Some(known) => {
                    known.also_at.push(other.path);
                    known.also_at.extend(other.also_at);
                }
                None => self.operations.push(other),
            }
        }
        self
    }

    pub fn layer<L>(mut self, layer: L) -> Api
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.router = self.router.layer(layer);
        self
    }

    /// Answers what has no route.
    pub fn fallback<H, T>(mut self, handler: H) -> Api
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.router = self.router.fallback(handler);
        self
    }

    /// What serves, and what it serves.
    pub fn into_parts(self) -> (Router<AppState>, Vec<Operation>) {
        (self.router, self.operations)
    }
}
