//! Passwords: made into argon2 records and checked against them, and put into nothing else.
//!
//! Both run for tens of milliseconds on one core: call them where blocking is allowed.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

use crate::store::PasswordRecord;

/// Longer ones would only cost the server time.
const MAX_LENGTH: usize = 1024;

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("the password is empty")]
    Empty,
    #[error("the password is longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("the password could not be hashed")]
    Hash,
}

/// The record of a new password.
pub fn hash(password: &str) -> Result<PasswordRecord, PasswordError> {
    if password.is_empty() {
        return Err(PasswordError::Empty);
    }
    if password.len() > MAX_LENGTH {
        return Err(PasswordError::TooLong);
    }
    let hash: PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|_| PasswordError::Hash)?;
    Ok(PasswordRecord::new(hash.to_string()))
}

/// Whether `password` is the one behind `record`.
pub fn verify(password: &str, record: &PasswordRecord) -> bool {
    password.len() <= MAX_LENGTH
        && Argon2::default()
            .verify_password(password.as_bytes(), record.as_str())
            .is_ok()
}

/// Takes as long as `verify`, so that an unknown name can't be told from a wrong password.
pub fn verify_nothing(password: &str) {
    static RECORD: LazyLock<Option<PasswordRecord>> = LazyLock::new(|| hash("no user's").ok());
    if let Some(record) = RECORD.as_ref() {
        verify(password, record);
    }
}

/// A password for someone to copy once.
pub fn generate() -> Result<String, PasswordError> {
    let mut bytes = [0u8; 12];
    getrandom::fill(&mut bytes).map_err(|_| PasswordError::Hash)?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_another_is_not() {
        let record = hash("hunter42").unwrap();
        assert!(record.as_str().starts_with("$argon2id$"));
        assert!(verify("hunter42", &record));
        assert!(!verify("hunter43", &record));
        assert!(matches!(hash(""), Err(PasswordError::Empty)));
        verify_nothing("x");
    }
}
