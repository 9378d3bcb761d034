//! Authentication methods: what each computes from password and salt
//! (`page_protocol_connection_phase_authentication_methods`,
//! `page_caching_sha2_authentication_exchanges`).

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};

use super::greeting::Salt;

/// `mysql_native_password`.
pub const NATIVE: &str = "mysql_native_password";
/// `sha256_password`: members may still have such accounts, and MySQL asks accounts that do not exist for it, so that
/// nobody learns which do.
pub const SHA256: &str = "sha256_password";
/// `caching_sha2_password`.
pub const CACHING_SHA2: &str = "caching_sha2_password";
/// In more-data: the fast path succeeded.
pub const FAST_AUTH_OK: u8 = 3;
/// In more-data: the password itself is needed.
pub const FULL_AUTH: u8 = 4;
/// A client's request for the public key.
pub const REQUEST_PUBLIC_KEY: u8 = 2;
/// The same by `sha256_password` (`page_protocol_connection_phase_authentication_methods_sha256`).
pub const REQUEST_SHA256_PUBLIC_KEY: u8 = 1;

/// `SHA1(password) XOR SHA1(salt + SHA1(SHA1(password)))`; nothing for an empty password.
#[must_use]
pub fn native(password: &[u8], salt: &Salt) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let sha1 = |parts: &[&[u8]]| hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, parts);
    let stage1 = sha1(&[password]);
    let stage2 = sha1(&[stage1.as_ref()]);
    xor(stage1.as_ref(), sha1(&[salt, stage2.as_ref()]).as_ref())
}

/// `SHA256(password) XOR SHA256(SHA256(SHA256(password)) + salt)`; nothing for an empty password.
#[must_use]
pub fn caching_sha2(password: &[u8], salt: &Salt) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let sha256 = |parts: &[&[u8]]| hash(&digest::SHA256, parts);
    let stage1 = sha256(&[password]);
    let stage2 = sha256(&[stage1.as_ref()]);
    xor(stage1.as_ref(), sha256(&[stage2.as_ref(), salt]).as_ref())
}

/// The response that `plugin` wants, if it is one of ours. That of [`SHA256`] is a request for the key, not a proof.
#[must_use]
pub fn response(plugin: &str, password: &[u8], salt: &Salt) -> Option<Vec<u8>> {
    match plugin {
        NATIVE => Some(native(password, salt)),
        CACHING_SHA2 => Some(caching_sha2(password, salt)),
        SHA256 if password.is_empty() => Some(vec![0]),
        SHA256 => Some(vec![REQUEST_SHA256_PUBLIC_KEY]),
        _ => None,
    }
}

/// An answer to a method that is not ours, of the length that it has and certainly wrong, so that a server says no
/// instead of finding fault with the packet.
#[must_use]
pub fn wrong_response(plugin: &str) -> &'static [u8] {
    match plugin {
        // A signature (MariaDB's `client_ed25519`).
        "client_ed25519" => &[0; 64],
        // A text with its end.
        "dialog" | "mysql_clear_password" => &[0],
        _ => &[],
    }
}

/// Whether `given` is the right response, in constant time.
#[must_use]
pub fn verify(plugin: &str, password: &[u8], salt: &Salt, given: &[u8]) -> bool {
    let expected = if plugin == SHA256 { None } else { response(plugin, password, salt) };
    expected.is_some_and(|expected| verify_slices_are_equal(&expected, given).is_ok())
}

/// The password with its closing NUL, masked by the salt, as RSA encrypts it; the same call unmasks.
#[must_use]
pub fn mask_password(bytes: &[u8], salt: &Salt) -> Vec<u8> {
    bytes.iter().zip(salt.iter().cycle()).map(|(a, b)| a ^ b).collect()
}

fn hash(algorithm: &'static digest::Algorithm, parts: &[&[u8]]) -> digest::Digest {
    let mut context = digest::Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    context.finish()
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = *b"0123456789abcdefghij";

    #[test]
    fn the_scrambles_are_those_of_another_implementation() {
        use mysql_common::auth::plugins::{
            caching_sha2_password::scramble_sha256, mysql_native_password::scramble_native,
        };
        for password in ["x", "secret", "pässwörd", &"long".repeat(50)] {
            let bytes = password.as_bytes();
            assert_eq!(native(bytes, &SALT), scramble_native(&SALT, bytes).unwrap());
            assert_eq!(caching_sha2(bytes, &SALT), scramble_sha256(&SALT, bytes).unwrap());
        }
    }

    #[test]
    fn an_empty_password_has_an_empty_response_and_only_that() {
        assert!(verify(NATIVE, b"", &SALT, b""));
        assert!(!verify(NATIVE, b"", &SALT, &[0; 20]));
        assert!(!verify(CACHING_SHA2, b"x", &SALT, b""));
        assert!(!verify(SHA256, b"x", &SALT, &[REQUEST_SHA256_PUBLIC_KEY]), "asking for the key proves nothing");
    }

    #[test]
    fn masking_twice_gives_the_password_back() {
        let password = b"a password that is longer than the salt\0";
        assert_eq!(mask_password(&mask_password(password, &SALT), &SALT), password);
    }
}
