//! Keyed pseudonyms: stable within a project across imports and restarts, unlinkable across projects.
//!
//! The key stays here; a module only sees what comes out.

use crate::dicom::date;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// One project's pseudonym service.
#[derive(Clone)]
pub struct Pseudonyms {
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonyms(key withheld)")
    }
}

impl Pseudonyms {
    pub fn new(key: &[u8]) -> Self {
        Self {
            mac: Hmac::new_from_slice(key).expect("HMAC takes keys of any length"),
        }
    }

    /// A UID of the form `2.25.` and 128 bits in decimal (PS3.5 B.2). An absent original has no pseudonym:
    /// the empty text stays empty.
    pub fn uid(&self, original: &str) -> String {
        if original.is_empty() {
            return String::new();
        }
        let digest = self.digest(&["uid", original]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        // Version 8 and variant of RFC 9562: the UID stands for a valid UUID.
        bytes[6] = bytes[6] & 0x0F | 0x80;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        format!("2.25.{}", u128::from_be_bytes(bytes))
    }

    /// So many decimal digits (at most 18) from the value in its domain.
    pub fn label(&self, domain: &str, original: &str, digits: u32) -> String {
        let digits = digits.clamp(1, 18);
        let number = self.number(&["label", domain, original]) % 10u64.pow(digits);
        format!("{number:0width$}", width = digits as usize)
    }

    /// A date offset in days for the subject, between -max and max, never 0.
    pub fn days(&self, subject: &str, max: u32) -> i32 {
        let max = i64::from(max.clamp(1, 36_500));
        let step = (self.number(&["days", subject]) % (2 * max as u64)) as i64 - max;
        // -max..=-1 stays, 0..=max-1 moves up by one.
        i32::try_from(if step < 0 { step } else { step + 1 }).expect("max is at most 36,500")
    }

    /// DA and DT moved by so many days, precision kept; none if it is no date.
    pub fn shift_date(&self, date: &str, days: i32) -> Option<String> {
        date::shift(date, days)
    }

    /// What tells whether two values are the same without telling which: for the store's rows.
    pub fn fingerprint(&self, domain: &str, value: &str) -> String {
        hex::encode(&self.digest(&["fingerprint", domain, value])[..16])
    }

    fn number(&self, parts: &[&str]) -> u64 {
        let digest = self.digest(parts);
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[..8]);
        u64::from_be_bytes(bytes)
    }

    fn digest(&self, parts: &[&str]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        for part in parts {
            // The length before each part keeps ("a", "bc") and ("ab", "c") apart.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_under_one_key_and_unlinkable_under_another() {
        let (one, other) = (Pseudonyms::new(&[1; 32]), Pseudonyms::new(&[2; 32]));
        assert_eq!(one.uid("1.2.3"), Pseudonyms::new(&[1; 32]).uid("1.2.3"));
        assert_ne!(one.uid("1.2.3"), other.uid("1.2.3"));
        assert!(one.uid("1.2.3").starts_with("2.25.") && one.uid("1.2.3").len() <= 64);
        assert_eq!(one.uid(""), "");
    }

    #[test]
    fn offsets_are_in_range_and_never_zero() {
        let pseudonyms = Pseudonyms::new(&[7; 32]);
        let all: Vec<i32> = (0..2000)
            .map(|s| pseudonyms.days(&s.to_string(), 3))
            .collect();
        assert!(all.iter().all(|d| (-3..=3).contains(d) && *d != 0));
        assert!([-3, -2, -1, 1, 2, 3].iter().all(|d| all.contains(d)));
    }
}
