use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use super::Failure;
use crate::{
    auth::{Claims, SHORTEST_SECRET, sign},
    config::parse_duration,
};

#[derive(Args)]
pub struct TokenArgs {
    /// The user: claim userId
    #[arg(long, value_name = "ID")]
    user: String,
    /// The user's address: claim email
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// The user's role: claim role
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// How long the token holds (ms, s, m, h, d)
    #[arg(long, default_value = "1h", value_parser = parse_duration, value_name = "TIME")]
    ttl: Duration,
    /// The secret to sign with (HS256): the server's
    #[arg(long, env = "JWT_SECRET", value_name = "SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,
}

pub fn run(args: &TokenArgs) -> Result<(), Failure> {
    let secret = args.jwt_secret.as_deref().filter(|secret| !secret.is_empty());
    let secret = secret.ok_or("JWT_SECRET is not set: give the secret that the server checks tokens with")?;
    if secret.len() < SHORTEST_SECRET {
        eprintln!(
            "walcast: warning: JWT_SECRET has {} bytes; walcast serve takes none of fewer than {SHORTEST_SECRET}",
            secret.len()
        );
    }
    println!("{}", token(&args.user, args.email.as_deref(), args.role.as_deref(), args.ttl, secret)?);
    Ok(())
}

/// A token for a user, good for `ttl` from now.
pub fn token(
    user: &str,
    email: Option<&str>,
    role: Option<&str>,
    ttl: Duration,
    secret: &str,
) -> Result<String, Failure> {
    if user.is_empty() {
        return Err("--user is empty: give the id of a user".into());
    }
    let expires = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().saturating_add(ttl.as_secs());
    let claims = Claims {
        user_id: user.to_owned(),
        email: email.map(str::to_owned),
        role: role.map(str::to_owned),
        exp: Some(expires),
    };
    Ok(sign(&claims, secret)?)
}
