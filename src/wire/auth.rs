//! Authentication methods: what each computes from password and salt
//! (`page_protocol_connection_phase_authentication_methods`,
//! `page_caching_sha2_authentication_exchanges`).

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use zeroize::Zeroizing;

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

/// The bytes of a SHA1.
const SHA1_LEN: usize = 20;

/// `SHA1(password)`: who has it can log in by [`NATIVE`].
pub type NativeKey = Zeroizing<[u8; SHA1_LEN]>;

/// `SHA1(SHA1(password))`: what a server stores of an account by [`NATIVE`].
pub type NativeHash = Zeroizing<[u8; SHA1_LEN]>;

/// What is known of an account: enough to prove to a member that it is ours.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The password itself: good for every method.
    Password(Zeroizing<Vec<u8>>),
    /// What a client's answer by [`NATIVE`] gives away to one who knows the stored hash: good for this method only.
    Native(NativeKey),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Secret::Password(_) => "Secret::Password",
            Secret::Native(_) => "Secret::Native",
        })
    }
}

impl Secret {
    /// The password, where it is known.
    #[must_use]
    pub fn password(&self) -> Option<&[u8]> {
        match self {
            Secret::Password(password) => Some(password),
            Secret::Native(_) => None,
        }
    }

    /// The response that `plugin` wants, if it is one of ours and this is enough for it.
    #[must_use]
    pub fn response(&self, plugin: &str, salt: &Salt) -> Option<Vec<u8>> {
        match self {
            Secret::Password(password) => response(plugin, password, salt),
            Secret::Native(key) => (plugin == NATIVE).then(|| native_with(key, salt)),
        }
    }

    /// What to log in with at a server that greets with `plugin`: the method, which is this one where it can be
    /// followed, and the response.
    #[must_use]
    pub fn first_response(&self, plugin: &str, salt: &Salt) -> (String, Vec<u8>) {
        match self {
            // The server asks accordingly when the account has another method, as it would after any other.
            Secret::Native(key) => (NATIVE.to_owned(), native_with(key, salt)),
            // A method that is not ours is answered with nothing; the server then names the account's own.
            Secret::Password(password) => (plugin.to_owned(), response(plugin, password, salt).unwrap_or_default()),
        }
    }

    /// Whether `given` is the right response, in constant time.
    #[must_use]
    pub fn verify(&self, plugin: &str, salt: &Salt, given: &[u8]) -> bool {
        // What is sent by this method is a request for the key, and no proof.
        let expected = if plugin == SHA256 { None } else { self.response(plugin, salt) };
        expected.is_some_and(|expected| verify_slices_are_equal(&expected, given).is_ok())
    }
}

fn sha1(parts: &[&[u8]]) -> Zeroizing<[u8; SHA1_LEN]> {
    let mut out = Zeroizing::new([0; SHA1_LEN]);
    out.copy_from_slice(hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, parts).as_ref());
    out
}

/// `SHA1(password) XOR SHA1(salt + SHA1(SHA1(password)))`; nothing for an empty password.
#[must_use]
pub fn native(password: &[u8], salt: &Salt) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    native_with(&sha1(&[password]), salt)
}

fn native_with(key: &NativeKey, salt: &Salt) -> Vec<u8> {
    let stored = sha1(&[key.as_ref()]);
    xor(key.as_ref(), sha1(&[salt, stored.as_ref()]).as_ref())
}

/// What a client must know to have given this response, if it is the right one for this stored hash.
#[must_use]
pub fn native_key(response: &[u8], salt: &Salt, stored: &NativeHash) -> Option<NativeKey> {
    let mut key = Zeroizing::new(*<&[u8; SHA1_LEN]>::try_from(response).ok()?);
    let mask = sha1(&[salt, stored.as_ref()]);
    key.iter_mut().zip(mask.iter()).for_each(|(byte, mask)| *byte ^= mask);
    verify_slices_are_equal(sha1(&[key.as_ref()]).as_ref(), stored.as_ref()).is_ok().then_some(key)
}

/// Reads a hash as servers store it: a star and forty hexadecimal digits.
#[must_use]
pub fn parse_native_hash(text: &[u8]) -> Option<NativeHash> {
    let digits = text.strip_prefix(b"*").filter(|digits| digits.len() == 2 * SHA1_LEN)?;
    let mut hash = Zeroizing::new([0; SHA1_LEN]);
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let value = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(value(pair[0])? * 16 + value(pair[1])?).ok()?;
    }
    Some(hash)
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

    fn password(text: &[u8]) -> Secret {
        Secret::Password(text.to_vec().into())
    }

    #[test]
    fn an_empty_password_has_an_empty_response_and_only_that() {
        assert!(password(b"").verify(NATIVE, &SALT, b""));
        assert!(!password(b"").verify(NATIVE, &SALT, &[0; 20]));
        assert!(!password(b"x").verify(CACHING_SHA2, &SALT, b""));
        let asks = [REQUEST_SHA256_PUBLIC_KEY];
        assert!(!password(b"x").verify(SHA256, &SALT, &asks), "asking for the key proves nothing");
    }

    #[test]
    fn a_native_response_gives_the_key_to_who_knows_the_stored_hash() {
        // SELECT PASSWORD('secret') on MariaDB 10.11.
        let stored = parse_native_hash(b"*14E65567ABDB5135D0CFD9A70B3032C179A49EE7").unwrap();
        let key = native_key(&native(b"secret", &SALT), &SALT, &stored).unwrap();
        let secret = Secret::Native(key);
        let other: Salt = *b"ABCDEFGHIJKLMNOPQRST";
        assert_eq!(secret.response(NATIVE, &other), Some(native(b"secret", &other)));
        assert!(secret.verify(NATIVE, &other, &native(b"secret", &other)));
        assert!(!secret.verify(NATIVE, &other, &native(b"other", &other)));
        assert_eq!(secret.response(CACHING_SHA2, &other), None);
        assert_eq!(secret.first_response(CACHING_SHA2, &other), (NATIVE.to_owned(), native(b"secret", &other)));
        assert!(native_key(&native(b"other", &SALT), &SALT, &stored).is_none());
        assert!(native_key(b"", &SALT, &stored).is_none());
        for text in ["", "*", "14E65567ABDB5135D0CFD9A70B3032C179A49EE7*", "*14E65567ABDB5135D0CFD9A70B3032C179A49EEG"]
        {
            assert!(parse_native_hash(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        assert_eq!(format!("{:?}", password(b"hunter2")), "Secret::Password");
    }

    #[test]
    fn masking_twice_gives_the_password_back() {
        let password = b"a password that is longer than the salt\0";
        assert_eq!(mask_password(&mask_password(password, &SALT), &SALT), password);
    }
}
