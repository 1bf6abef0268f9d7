use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::json;

use super::Failure;
use crate::{
    auth::{Claims, SHORTEST_SECRET, sign_json},
    config::parse_duration,
};

#[derive(Args)]
pub struct TokenArgs {
    #[command(flatten)]
    bearer: Bearer,
    /// The secret to sign with (HS256): the server's
    #[arg(long, env = "JWT_SECRET", value_name = "SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,
}

/// Whose token it is, and what it says of them.
#[derive(Args)]
pub struct Bearer {
    /// The user: claim userId
    #[arg(long, value_name = "ID")]
    pub user: String,
    /// The user's address: claim email
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// The user's role: claim role
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// Lets its bearer see the dashboard, and with it every row: claim admin
    #[arg(long)]
    pub admin: bool,
    /// How long the token holds (ms, s, m, h, d)
    #[arg(long, default_value = "1h", value_parser = parse_duration, value_name = "TIME")]
    pub ttl: Duration,
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
    println!("{}", token(&args.bearer, secret)?);
    Ok(())
}

/// A token, good from now on.
pub fn token(bearer: &Bearer, secret: &str) -> Result<String, Failure> {
    if bearer.user.is_empty() {
        return Err("--user is empty: give the id of a user".into());
    }
    let expires = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().saturating_add(bearer.ttl.as_secs());
    let claims = Claims {
        user_id: bearer.user.clone(),
        email: bearer.email.clone(),
        role: bearer.role.clone(),
        exp: Some(expires),
    };
    let mut claims = serde_json::to_value(claims)?;
    if let (true, Some(members)) = (bearer.admin, claims.as_object_mut()) {
        members.insert("admin".to_owned(), json!(true));
    }
    Ok(sign_json(&claims, secret)?)
}
