//! The RSA step of `caching_sha2`'s full authentication, from both sides
//! (`page_caching_sha2_authentication_exchanges`: RSA with OAEP padding over the masked password).

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rsa::{
        KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
        PublicEncryptingKey,
    },
};
use zeroize::Zeroizing;

use crate::wire::{auth::mask_password, greeting::Salt};

/// The key or the message could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the RSA key or the message encrypted with it cannot be used")]
pub struct KeyError;

/// The password for a server whose public key is `pem`.
pub fn encrypt_password(pem: &[u8], password: &[u8], salt: &Salt) -> Result<Vec<u8>, KeyError> {
    let der = pem::parse(pem).map_err(|_| KeyError)?;
    let key = PublicEncryptingKey::from_der(der.contents()).map_err(|_| KeyError)?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| KeyError)?;
    let mut with_end = Zeroizing::new(password.to_vec());
    with_end.push(0);
    let masked = Zeroizing::new(mask_password(&with_end, salt));
    let mut out = vec![0; key.ciphertext_size()];
    let len = key.encrypt(&OAEP_SHA1_MGF1SHA1, &masked, &mut out, None).map_err(|_| KeyError)?.len();
    out.truncate(len);
    Ok(out)
}

/// The proxy's own key, made at start, for clients that send their password.
pub struct KeyPair {
    private: OaepPrivateDecryptingKey,
    public_pem: String,
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyPair(2048)")
    }
}

impl KeyPair {
    /// Makes a new key of 2048 bits.
    pub fn generate() -> Result<Self, KeyError> {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).map_err(|_| KeyError)?;
        let public: PublicKeyX509Der<'static> = private.public_key().as_der().map_err(|_| KeyError)?;
        let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        let public_pem = pem::encode_config(&pem::Pem::new("PUBLIC KEY", public.as_ref()), config);
        Ok(KeyPair { private: OaepPrivateDecryptingKey::new(private).map_err(|_| KeyError)?, public_pem })
    }

    /// The public key in PEM form, as clients get it.
    #[must_use]
    pub fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// The password that a client encrypted.
    pub fn decrypt_password(&self, secret: &[u8], salt: &Salt) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let mut out = Zeroizing::new(vec![0; self.private.min_output_size()]);
        let masked = self.private.decrypt(&OAEP_SHA1_MGF1SHA1, secret, &mut out, None).map_err(|_| KeyError)?;
        let mut password = Zeroizing::new(mask_password(masked, salt));
        match password.pop() {
            Some(0) => Ok(password),
            _ => Err(KeyError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_survives_the_way() {
        let keys = KeyPair::generate().unwrap();
        let salt = *b"0123456789abcdefghij";
        let secret = encrypt_password(keys.public_pem().as_bytes(), "pässword".as_bytes(), &salt).unwrap();
        assert_eq!(&**keys.decrypt_password(&secret, &salt).unwrap(), "pässword".as_bytes());
        assert!(keys.decrypt_password(&secret[1..], &salt).is_err());
    }
}
