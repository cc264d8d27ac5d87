//! DicomEdit's UIDs: `hashUID` is unkeyed and the same everywhere, so that what a site has published stays
//! what it is; new and mapped ones are keyed per project.

use crate::rules::pseudonym::Pseudonyms;
use sha1::{Digest, Sha1};

/// A UID has 64 characters, the number after a prefix up to 39, and a dot between them (PS3.5 9.1).
const LONGEST_PREFIX: usize = 24;

/// SHA-1 of the text, cut to 128 bits and marked as version 5 of RFC 9562, without its namespace.
pub fn hash(text: &str) -> String {
    let digest: [u8; 20] = Sha1::digest(text.as_bytes()).into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0F | 0x50;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    format!("2.25.{}", u128::from_be_bytes(bytes))
}

/// The same for the same original under one key.
///
/// # Errors
/// A prefix that makes no UID.
pub fn mapped(prefix: &str, original: &str, pseudonyms: &Pseudonyms) -> Result<String, String> {
    let prefix = check_prefix(prefix)?;
    let number = pseudonyms.uid(&format!("DicomEdit mapped UID\0{original}"));
    Ok(number.replacen("2.25", prefix, 1))
}

/// Without the dot at its end.
///
/// # Errors
/// A prefix that makes no UID.
pub fn check_prefix(prefix: &str) -> Result<&str, String> {
    let prefix = prefix.strip_suffix('.').unwrap_or(prefix);
    if prefix.len() > LONGEST_PREFIX {
        return Err(format!(
            "the prefix of a UID has at most {LONGEST_PREFIX} characters here, not {}",
            prefix.len()
        ));
    }
    let is_component = |part: &str| {
        let is_number = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        is_number && (part.len() == 1 || !part.starts_with('0'))
    };
    match prefix.split('.').all(is_component) {
        true => Ok(prefix),
        false => Err(format!("{prefix:?} is no prefix of a UID")),
    }
}

/// Of the `count`th call in one file.
pub fn new(script: &str, instance: &str, count: u64, pseudonyms: &Pseudonyms) -> String {
    pseudonyms.uid(&format!("DicomEdit new UID\0{script}\0{instance}\0{count}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_published_ones() {
        let published = [
            ("1.2.3.4.5", "2.25.281097975800109040096884226991818420711"),
            (
                "1.2.3.4.5.6",
                "2.25.262228503153619312954819897114011402300",
            ),
        ];
        for (uid, hashed) in published {
            assert_eq!(hash(uid), hashed);
        }
    }

    #[test]
    fn mapped_uids_are_stable_under_a_key_and_valid() {
        let (one, other) = (Pseudonyms::new(&[1; 32]), Pseudonyms::new(&[2; 32]));
        let uid = mapped("1.2.840.1234567890123456", "1.2.3", &one).unwrap();
        assert!(
            uid.starts_with("1.2.840.1234567890123456.") && uid.len() <= 64,
            "{uid}"
        );
        assert_eq!(mapped("1.2.", "a", &one), mapped("1.2", "a", &one));
        assert_ne!(mapped("1.2", "a", &one), mapped("1.2", "a", &other));
        assert_ne!(mapped("1.2", "a", &one), mapped("1.2", "b", &one));
        for wrong in ["", "1..2", "a", "01.2", "1.2.840.12345678901234567"] {
            assert!(mapped(wrong, "a", &one).is_err(), "{wrong}");
        }
    }
}
