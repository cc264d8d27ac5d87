//! Server-sent events, read as they come.

use std::io::{BufRead as _, BufReader, Lines};

use serde_json::Value;

use crate::site::Site;

/// A stream of events, read as it comes.
pub struct Events {
    lines: Lines<BufReader<ureq::BodyReader<'static>>>,
}

#[derive(Debug)]
pub struct Event {
    pub name: String,
    pub id: i64,
    pub data: Value,
}

impl Events {
    pub fn of(site: &Site, user: &str, address: &str) -> Events {
        Events::read(site.open(user, &format!("{address}/events"), &[]))
    }

    /// From any server.
    pub fn read(answer: ureq::http::Response<ureq::Body>) -> Events {
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let reader = answer.into_body().into_reader();
        Events {
            lines: BufReader::new(reader).lines(),
        }
    }

    /// The first event that is wanted; none if the server stops or dies before it came.
    pub fn until_broken(mut self, mut is_wanted: impl FnMut(&Event) -> bool) -> Option<Event> {
        loop {
            match self.try_next().ok()?? {
                event if is_wanted(&event) => return Some(event),
                _ => {}
            }
        }
    }

    fn try_next(&mut self) -> std::io::Result<Option<Event>> {
        let (mut name, mut id, mut data) = (String::new(), 0, Value::Null);
        for line in self.lines.by_ref() {
            let line = line?;
            match line.split_once(": ") {
                Some(("event", value)) => name = value.to_owned(),
                Some(("id", value)) => id = value.parse().unwrap(),
                Some(("data", value)) => data = serde_json::from_str(value).unwrap(),
                // The end of an event, not of a comment.
                _ if line.is_empty() && !data.is_null() => {
                    return Ok(Some(Event { name, id, data }));
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

impl Iterator for Events {
    type Item = Event;

    /// None when the stream has ended as it should; a connection that breaks fails the test.
    fn next(&mut self) -> Option<Event> {
        self.try_next().unwrap()
    }
}
