//! Passwords: what is allowed, and argon2id.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};

/// Shortest password, in characters.
pub(crate) const LEN_MIN: usize = 12;
/// Longest password, in bytes: hashing takes as long as the text.
pub(crate) const LEN_MAX: usize = 256;

/// Whether a password is long enough and not one of those that are tried first: a repeated character
/// or a run of them, or the account's own name.
pub(crate) fn is_fit(password: &str, account: &str) -> bool {
    let chars: Vec<char> = password.chars().collect();
    let distinct: std::collections::BTreeSet<char> = chars.iter().copied().collect();
    let lower = password.to_lowercase();
    let named = !account.is_empty() && lower.replace(&account.to_lowercase(), "").len() < 4;
    let common = [
        "password",
        "passwort",
        "qwerty",
        "lösenord",
        "1234567890",
        "ringway",
    ];
    let left = common
        .iter()
        .fold(lower, |left, word| left.replace(word, ""));
    chars.len() >= LEN_MIN
        && password.len() <= LEN_MAX
        && distinct.len() >= 5
        && left.len() >= 6
        && !named
}

/// argon2id with the parameters that OWASP names first (19 MiB, 2 passes, 1 lane); takes tens of
/// milliseconds, so off the runtime.
///
/// # Errors
/// When the system gives no randomness.
pub(crate) fn hash(password: &str) -> anyhow::Result<String> {
    let made: Result<PasswordHash, _> = Argon2::default().hash_password(password.as_bytes());
    made.map(|hash| hash.to_string())
        .map_err(|error| anyhow::anyhow!("cannot hash a password: {error}"))
}

/// Whether `password` is the one behind `hash`.
pub(crate) fn verify(password: &str, hash: &str) -> bool {
    password.len() <= LEN_MAX
        && Argon2::default()
            .verify_password(password.as_bytes(), hash)
            .is_ok()
}

/// 130 random bits in letters and digits that are not taken for each other, in groups of five or six.
pub(crate) fn new_setup_code() -> String {
    use rand::RngExt as _;

    const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let bytes: [u8; 26] = rand::rng().random();
    let mut code = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 && index % 5 == 0 && index < 25 {
            code.push('-');
        }
        code.push(char::from(LETTERS[usize::from(byte % 32)]));
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused() {
        for weak in [
            "",
            "short",
            "aaaaaaaaaaaaaaaa",
            "password1234",
            "adminadminadmin",
        ] {
            assert!(!is_fit(weak, "admin"), "{weak}");
        }
        assert!(!is_fit(&"abcdefgh".repeat(40), "admin"));
        assert!(is_fit("staple horse battery", "admin"));
    }

    #[test]
    fn a_hash_is_argon2id_and_fits_its_password_alone() {
        let made = hash("staple horse battery").unwrap();
        assert!(
            made.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{made}"
        );
        assert!(verify("staple horse battery", &made));
        assert!(!verify("staple horse batterx", &made));
        assert!(!verify("staple horse battery", "no hash"));
    }
}
