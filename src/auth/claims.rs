use serde::{Deserialize, Deserializer, Serialize};

/// What a verified token says of its bearer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// Claim `userId`, else `sub`. Never empty. A number in the token is taken by its digits.
    pub user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// When the token expires, in seconds since 1970-01-01 UTC; `None`: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<u64>,
}

/// The claims as tokens in the field carry them.
#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "userId", default)]
    user_id: Option<Id>,
    #[serde(default)]
    sub: Option<Id>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    role: Option<String>,
    /// RFC 7519 allows a fraction; whole seconds are all that matters here.
    #[serde(default)]
    exp: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(serde_json::Number),
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let user_id = match wire.user_id.or(wire.sub) {
            Some(Id::Text(text)) => text,
            Some(Id::Number(number)) => number.to_string(),
            None => String::new(),
        };
        if user_id.is_empty() {
            return Err(serde::de::Error::custom("the token has neither `userId` nor `sub`"));
        }
        Ok(Claims { user_id, email: wire.email, role: wire.role, exp: wire.exp.map(|seconds| seconds as u64) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_user_id_else_sub_and_may_be_a_number() {
        for (json, user) in
            [(r#"{"userId":"u1","sub":"s1"}"#, "u1"), (r#"{"sub":"s1"}"#, "s1"), (r#"{"userId":42}"#, "42")]
        {
            let claims: Claims = serde_json::from_str(json).expect(json);
            assert_eq!(claims.user_id, user);
        }
    }

    #[test]
    fn a_token_without_a_user_is_refused() {
        for json in [r#"{}"#, r#"{"userId":""}"#, r#"{"userId":null}"#, r#"{"userId":["u1"]}"#] {
            assert!(serde_json::from_str::<Claims>(json).is_err(), "{json} was taken");
        }
    }
}
