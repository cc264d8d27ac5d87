//! Small parts that views are made of.

use chrono::{DateTime, SecondsFormat};
use maud::{Markup, html};

use crate::store::now_ms;

/// A time as its age, with the whole of it for who points at it. Milliseconds since 1970.
pub fn time(milliseconds: i64) -> Markup {
    let Some(time) = DateTime::from_timestamp_millis(milliseconds) else {
        return html! {};
    };
    let exact = time.to_rfc3339_opts(SecondsFormat::Secs, true);
    html! { time datetime=(exact) title=(exact) { (age(now_ms() - milliseconds)) } }
}

fn age(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    match seconds {
        0..5 => "just now".into(),
        5..90 => format!("{seconds} s ago"),
        90..5400 => format!("{} min ago", (seconds + 30) / 60),
        5400..129_600 => format!("{} h ago", (seconds + 1800) / 3600),
        _ => format!("{} days ago", (seconds + 43_200) / 86_400),
    }
}

/// How long something took, in words.
pub fn duration(milliseconds: i64) -> String {
    match milliseconds.max(0) {
        few @ 0..10_000 => format!("{:.1} s", few as f64 / 1000.0),
        more @ 10_000..120_000 => format!("{} s", more / 1000),
        more => format!("{} min {} s", more / 60_000, more / 1000 % 60),
    }
}

/// A number of bytes, in decimal units.
pub fn bytes(count: u64) -> String {
    let mut amount = count as f64;
    let mut units = ["bytes", "kB", "MB", "GB", "TB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while amount >= 1000.0
        && let Some(next) = units.next()
    {
        amount /= 1000.0;
        unit = next;
    }
    match unit {
        "bytes" => format!("{count} bytes"),
        _ if amount < 10.0 => format!("{amount:.1} {unit}"),
        _ => format!("{amount:.0} {unit}"),
    }
}

/// `1 file`, `2 files`.
pub fn count(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", grouped(number))
}

/// Digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202F}');
        }
        out.push(digit);
    }
    out
}

/// How something stands, as a word in a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Busy,
    Warn,
    Bad,
    Plain,
}

impl Tone {
    pub fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Busy => "busy",
            Tone::Warn => "warn",
            Tone::Bad => "bad",
            Tone::Plain => "plain",
        }
    }
}

pub fn badge(tone: Tone, text: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (text) } }
}

/// A session's state.
pub fn state(state: &str) -> Markup {
    match state {
        "READY" | "ARCHIVED" => badge(Tone::Good, state),
        "CONFLICT" | "QUARANTINED" => badge(Tone::Warn, state),
        "ERROR" => badge(Tone::Bad, state),
        state => badge(Tone::Busy, state),
    }
}

/// A button that does one thing by a call of its own; `confirm` is asked before, if there is something to ask.
pub fn action(address: &str, name: &str, confirm: &str) -> Markup {
    let confirm = Some(confirm).filter(|confirm| !confirm.is_empty());
    html! {
        form.action method="post" action=(address) data-confirm=[confirm] { button { (name) } }
    }
}

/// One amount of a whole.
pub struct Share {
    pub name: &'static str,
    pub tone: Tone,
    pub amount: u64,
}

/// A whole as a bar of its parts, and the same in words.
pub fn bar(label: &str, shares: &[Share]) -> Markup {
    let present = || shares.iter().filter(|share| share.amount > 0);
    let whole: u64 = present().map(|share| share.amount).sum();
    let mut left = 0.0;
    let mut pieces = Vec::new();
    for share in present() {
        let width = share.amount as f64 * 100.0 / whole as f64;
        pieces.push((share, left, width));
        left += width;
    }
    html! {
        @if whole > 0 {
            svg.bar viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label=(label) {
                @for (share, left, width) in pieces {
                    rect class=(share.tone.class()) x=(left) y="0" width=(width) height="4" {
                        title { (share.name) ": " (grouped(share.amount)) }
                    }
                }
            }
            ul.legend {
                @for share in present() {
                    li { (badge(share.tone, share.name)) " " (grouped(share.amount)) }
                }
            }
        }
    }
}

/// Links to the pages of a list.
pub fn pages(offset: u64, limit: u64, total: u64, at: impl Fn(u64) -> String) -> Markup {
    let last = (offset + limit).min(total);
    html! {
        @if total > limit || offset > 0 {
            nav.pages aria-label="Pages" {
                @if offset > 0 { a href=(at(offset.saturating_sub(limit))) rel="prev" { "Newer" } }
                span { (grouped((offset + 1).min(total))) "–" (grouped(last)) " of " (grouped(total)) }
                @if last < total { a href=(at(offset + limit)) rel="next" { "Older" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{age, bytes, count};

    #[test]
    fn amounts_are_short() {
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(1_500_000), "1.5 MB");
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(12_345, "file"), "12\u{202F}345 files");
        assert_eq!(age(61_000), "61 s ago");
        assert_eq!(age(7_200_000), "2 h ago");
    }
}
