//! The server's half of SCRAM (RFC 5802, RFC 7677), which verifies in earnest.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::digest::{Digest, FixedOutput, KeyInit};
use hmac::{Hmac, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use std::fmt::Write as _;

/// The least that the driver accepts.
const ITERATIONS: u32 = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Sha1,
    Sha256,
}

impl Mechanism {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Sha256 => "SCRAM-SHA-256",
        }
    }

    fn hmac(self, key: &[u8], message: &str) -> Vec<u8> {
        fn of<M: Mac + KeyInit>(key: &[u8], message: &str) -> Vec<u8> {
            let mut mac = <M as KeyInit>::new_from_slice(key).expect("a key of any length");
            mac.update(message.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Self::Sha1 => of::<Hmac<Sha1>>(key, message),
            Self::Sha256 => of::<Hmac<Sha256>>(key, message),
        }
    }

    fn hash(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(bytes).to_vec(),
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
        }
    }

    fn salted(self, user: &str, password: &str, salt: &[u8]) -> Vec<u8> {
        fn of<M: Mac + KeyInit + FixedOutput + Clone + Sync>(
            text: &str,
            salt: &[u8],
            length: usize,
        ) -> Vec<u8> {
            let mut out = vec![0; length];
            pbkdf2::pbkdf2::<M>(text.as_bytes(), salt, ITERATIONS, &mut out).expect("a length that fits");
            out
        }
        match self {
            // MongoDB's own way of old: the password is the digest of what once was its whole login.
            Self::Sha1 => {
                let digest = Md5::digest(format!("{user}:mongo:{password}"));
                let hex = digest.iter().fold(String::new(), |mut hex, byte| {
                    let _ = write!(hex, "{byte:02x}");
                    hex
                });
                of::<Hmac<Sha1>>(&hex, salt, 20)
            }
            Self::Sha256 => of::<Hmac<Sha256>>(password, salt, 32),
        }
    }
}

/// A login under way, after the client's first message.
pub(crate) struct Conversation {
    mechanism: Mechanism,
    salted: Vec<u8>,
    /// The client's first message and ours: both ends sign them.
    said: String,
    nonce: String,
}

/// The user that a client's first message, `n,,n=NAME,r=NONCE`, is about.
pub(crate) fn user(first: &str) -> &str {
    field(first, "n=")
}

fn field<'a>(message: &'a str, key: &str) -> &'a str {
    let mut fields = message.split(',').filter_map(|field| field.strip_prefix(key));
    fields
        .next()
        .unwrap_or_else(|| panic!("no `{key}` in a message of SCRAM"))
}

impl Conversation {
    /// Begins, and gives our first message.
    pub(crate) fn begin(mechanism: Mechanism, first: &str, password: &str) -> (Self, String) {
        let bare = first.strip_prefix("n,,").expect("no channel binding");
        let salt: [u8; 16] = std::array::from_fn(|_| fastrand::u8(..));
        let nonce = format!("{}{}", field(bare, "r="), fastrand::u64(..));
        let answer = format!("r={nonce},s={},i={ITERATIONS}", BASE64.encode(salt));
        let conversation = Self {
            mechanism,
            salted: mechanism.salted(user(first), password, &salt),
            said: format!("{bare},{answer}"),
            nonce,
        };
        (conversation, answer)
    }

    /// Our last message, when the client's proof is right.
    pub(crate) fn finish(&self, last: &str) -> Option<String> {
        let (without_proof, proof) = last.rsplit_once(",p=").expect("a proof at the end");
        assert_eq!(field(without_proof, "r="), self.nonce);
        let proof = BASE64.decode(proof).expect("base64");
        let signed = format!("{},{without_proof}", self.said);
        let mechanism = self.mechanism;
        let stored = mechanism.hash(&mechanism.hmac(&self.salted, "Client Key"));
        let signature = mechanism.hmac(&stored, &signed);
        let key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let right = proof.len() == signature.len() && mechanism.hash(&key) == stored;
        let ours = mechanism.hmac(&mechanism.hmac(&self.salted, "Server Key"), &signed);
        right.then(|| format!("v={}", BASE64.encode(ours)))
    }
}
