//! Passwords, verified and remembered.
//!
//! A verified password is remembered for a short time, under a keyed hash that covers the user's current
//! argon2 record: a changed password, by whatever process, is another key and so verified anew.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::Semaphore;

use super::ApiError;
use super::attempts::Attempts;
use crate::password;
use crate::store::User;

/// How long a verified password needs no argon2 again.
const REMEMBER: Duration = Duration::from_secs(60);

/// Each argon2 run takes 19 MiB and a core.
const ARGON2_RUNS: usize = 2;

/// Far more than there are users; a bound all the same.
const REMEMBERED_AT_MOST: usize = 4096;

/// Passwords verified a short while ago.
pub struct CredentialCache {
    key: [u8; 32],
    verified_until: Mutex<HashMap<[u8; 32], Instant>>,
    argon2: Semaphore,
    attempts: Attempts,
}

impl CredentialCache {
    pub fn new() -> Result<CredentialCache, ApiError> {
        let mut key = [0u8; 32];
        getrandom::fill(&mut key)
            .map_err(|_| ApiError::Internal("no random bytes from the operating system"))?;
        Ok(CredentialCache {
            key,
            verified_until: Mutex::new(HashMap::new()),
            argon2: Semaphore::new(ARGON2_RUNS),
            attempts: Attempts::default(),
        })
    }

    /// Whether `password` is the user's. With no user it takes as long and says no.
    ///
    /// # Errors
    /// [`ApiError::TooMany`] where too many wrong ones were given for the name just now.
    pub async fn verify(
        &self,
        name: &str,
        user: Option<&User>,
        password: &str,
    ) -> Result<bool, ApiError> {
        let tag = user.map(|user| self.tag(user, password));
        if tag.is_some_and(|tag| self.is_remembered(&tag)) {
            return Ok(true);
        }
        let _run = self
            .argon2
            .acquire()
            .await
            .map_err(|_| ApiError::Internal("shutting down"))?;
        // Clients begin with many calls at once: the first of them was verified while the others waited.
        if tag.is_some_and(|tag| self.is_remembered(&tag)) {
            return Ok(true);
        }
        self.attempts.begin(name, Instant::now())?;
        let record = user.map(|user| user.password.clone());
        let password = password.to_string();
        let right = tokio::task::spawn_blocking(move || match record {
            Some(record) => password::verify(&password, &record),
            None => {
                password::verify_nothing(&password);
                false
            }
        })
        .await
        .map_err(|_| ApiError::Internal("verifying a password stopped"))?;
        if let (true, Some(tag)) = (right, tag) {
            self.remember(tag);
        }
        if right {
            self.attempts.forget(name);
        }
        Ok(right)
    }

    fn tag(&self, user: &User, password: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes any key");
        for part in [user.name.as_str(), user.password.as_str(), password] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn is_remembered(&self, tag: &[u8; 32]) -> bool {
        self.lock()
            .get(tag)
            .is_some_and(|until| *until > Instant::now())
    }

    fn remember(&self, tag: [u8; 32]) {
        let now = Instant::now();
        let mut verified = self.lock();
        if verified.len() >= REMEMBERED_AT_MOST {
            verified.retain(|_, until| *until > now);
        }
        if verified.len() < REMEMBERED_AT_MOST {
            verified.insert(tag, now + REMEMBER);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Instant>> {
        // The map is whole after any panic: each change of it is one call.
        self.verified_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
