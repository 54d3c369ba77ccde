//! The bearer token: a secret that whoever comes over TCP has to know.

use std::fmt;
use std::path::Path;

use subtle::ConstantTimeEq;
use tonic::codegen::http::{HeaderMap, header};

use super::secret;
use crate::error::{SecretProblem, StartError};

/// Characters that carry 128 bits, at four bits a hexadecimal digit, or six of base64.
const MIN_HEX: usize = 32;
const MIN_OTHER: usize = 22;

/// Characters that a token of the least length has at least: of those that were drawn, one in ten
/// million has fewer.
const MIN_DIFFERENT: usize = 8;

/// After how many characters a token repeats itself; all of them if it does not.
fn period(token: &[u8]) -> usize {
    let is_period = |length: &usize| {
        let repeated = token.iter().zip(&token[*length..]);
        repeated.into_iter().all(|(a, b)| a == b)
    };
    (1..=token.len() / 2).find(is_period).unwrap_or(token.len())
}

/// A token. It is shown nowhere: not in `Debug`, not in an error.
#[derive(Clone)]
pub(crate) struct Token(Box<[u8]>);

impl Token {
    /// Reads it from a file that belongs to this user, or to root, and that nobody else can read.
    pub(crate) fn from_file(path: &Path) -> Result<Self, StartError> {
        let bytes = secret::read(path, secret::PRIVATE)?;
        Self::new(bytes.trim_ascii()).map_err(|problem| StartError::Secret {
            path: path.to_owned(),
            problem,
        })
    }

    fn new(token: &[u8]) -> Result<Self, SecretProblem> {
        if !token.iter().all(u8::is_ascii_graphic) {
            return Err(SecretProblem::NotText);
        }
        let least = if token.iter().all(u8::is_ascii_hexdigit) {
            MIN_HEX
        } else {
            MIN_OTHER
        };
        if token.len() < least {
            return Err(SecretProblem::TooShort);
        }
        let mut characters = token.to_vec();
        characters.sort_unstable();
        characters.dedup();
        if characters.len() < MIN_DIFFERENT || period(token) < least {
            return Err(SecretProblem::Guessable);
        }
        Ok(Self(token.into()))
    }

    /// Whether a request shows it, as `authorization: Bearer TOKEN`, once. How long this takes
    /// tells nothing of the token but its length.
    pub(super) fn is_shown(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        let Some((scheme, token)) = value.as_bytes().split_at_checked(b"Bearer ".len()) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"Bearer ") && self.is(token)
    }

    fn is(&self, other: &[u8]) -> bool {
        self.0.ct_eq(other).into()
    }

    /// Whether two files hold the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use tonic::codegen::http::HeaderValue;

    use super::*;

    const TOKEN: &str = "f00dcafe0123456789abcdef01234567";

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                header::AUTHORIZATION,
                HeaderValue::from_str(value).expect("a value"),
            );
        }
        headers
    }

    #[test]
    fn only_the_whole_token_shown_once_as_a_bearer_is_it() {
        let token = Token::new(TOKEN.as_bytes()).expect("128 bits");
        let shown = |values: &[&str]| token.is_shown(&headers(values));
        assert!(shown(&[&format!("Bearer {TOKEN}")]));
        assert!(shown(&[&format!("bearer {TOKEN}")]));
        assert!(!shown(&[]));
        assert!(!shown(&[TOKEN]));
        assert!(!shown(&["Bearer "]));
        assert!(!shown(&["Bearer"]));
        assert!(!shown(&[&format!("Basic {TOKEN}")]));
        assert!(!shown(&[&format!("Bearer {TOKEN}0")]));
        assert!(!shown(&[&format!("Bearer {}", &TOKEN[1..])]));
        assert!(!shown(&[&format!("Bearer {}", TOKEN.to_uppercase())]));
        let twice = format!("Bearer {TOKEN}");
        assert!(!shown(&[&twice, &twice]));
    }

    #[test]
    fn a_token_of_less_than_128_bits_is_refused() {
        for short in ["", &TOKEN[1..], "abcdefghijklmnopqrstu"] {
            assert_eq!(
                Token::new(short.as_bytes()).err(),
                Some(SecretProblem::TooShort)
            );
        }
        assert!(Token::new(b"abcdefghijklmnopqrstu+").is_ok());
        for text in [
            "0123456789abcdef 0123456789abcdef",
            "pässwörter-sind-lang-genug",
        ] {
            assert_eq!(
                Token::new(text.as_bytes()).err(),
                Some(SecretProblem::NotText)
            );
        }
    }

    #[test]
    fn a_token_that_repeats_itself_is_refused_whatever_its_length() {
        let long = |part: &str| part.repeat(40);
        for guessable in [
            &long("a"),
            &long("ab"),
            &long("password"),
            &long("12345678"),
            &long("0123456789abcdef"),
            &format!("{}1", "0".repeat(63)),
        ] {
            assert_eq!(
                Token::new(guessable.as_bytes()).err(),
                Some(SecretProblem::Guessable),
                "{guessable}"
            );
        }
    }

    #[test]
    fn a_token_that_was_drawn_is_accepted() {
        // As `openssl rand -hex 16` and `-base64 16` make them, from a generator that a test can
        // repeat.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut draw = |alphabet: &[u8]| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            alphabet[(state >> 32) as usize % alphabet.len()]
        };
        let base64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for _ in 0..10_000 {
            let hex: Vec<u8> = (0..MIN_HEX).map(|_| draw(b"0123456789abcdef")).collect();
            assert!(Token::new(&hex).is_ok(), "{hex:?}");
            let other: Vec<u8> = (0..MIN_OTHER).map(|_| draw(base64)).collect();
            assert!(Token::new(&other).is_ok(), "{other:?}");
        }
    }

    #[test]
    fn a_token_does_not_show_itself() {
        let token = Token::new(TOKEN.as_bytes()).expect("128 bits");
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
