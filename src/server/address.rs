//! Addresses, put together from texts that may hold anything.

use std::fmt::Write as _;

/// `/a/b?k=v`: steps are joined with slashes, and what is left empty of the query is left out.
pub fn address(steps: &[&str], query: &[(&str, &str)]) -> String {
    let mut address = String::new();
    for step in steps {
        address.push('/');
        encode(&mut address, step);
    }
    let pairs = pairs(query);
    if !pairs.is_empty() {
        address.push('?');
        address.push_str(&pairs);
    }
    address
}

/// A query or a form's body (`application/x-www-form-urlencoded`).
pub fn pairs(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        if !text.is_empty() {
            text.push('&');
        }
        encode(&mut text, name);
        text.push('=');
        encode(&mut text, value);
    }
    text
}

/// A text as one step of an address.
pub fn encoded(text: &str) -> String {
    let mut out = String::new();
    encode(&mut out, text);
    out
}

/// RFC 3986 2.3: all but the unreserved characters as their bytes.
fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte as char);
            }
            // Writing to a String can't fail.
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn whatever_is_in_a_step_stays_in_it() {
        assert_eq!(
            address(&["imports", "../a b", "ü"], &[("q", "a&b"), ("none", "")]),
            "/imports/..%2Fa%20b/%C3%BC?q=a%26b"
        );
    }
}
