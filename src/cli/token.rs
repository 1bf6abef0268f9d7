use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use super::Failure;
use crate::{
    auth::{Claims, sign},
    config::parse_duration,
};

#[derive(Args)]
pub struct TokenArgs {
    /// The user: claim userId
    #[arg(long)]
    user: String,
    /// Claim email
    #[arg(long)]
    email: Option<String>,
    /// Claim role
    #[arg(long)]
    role: Option<String>,
    /// How long the token holds
    #[arg(long, default_value = "1h", value_parser = parse_duration)]
    ttl: Duration,
    /// The secret to sign with (HS256)
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,
}

pub fn run(args: &TokenArgs) -> Result<(), Failure> {
    let secret = args.jwt_secret.as_deref().filter(|secret| !secret.is_empty());
    let secret = secret.ok_or("JWT_SECRET is not set: give the secret that the server checks tokens with")?;
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
