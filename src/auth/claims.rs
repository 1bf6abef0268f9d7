use serde::Serialize;
use serde_json::Value;

/// What a verified token says of its bearer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// Claim `userId`, else `sub`, unless [`ClaimNames`] says another. Never empty. A number in the token is taken by its digits.
    pub user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// When the token expires, in seconds since 1970-01-01 UTC; `None`: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<u64>,
}

/// Where tokens say who their bearer is. A name is that of a claim, or else a path of names with dots between: the claim
/// `https://example.com/role`, or `role` within `app_metadata`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimNames {
    /// `None`: `userId`, else `sub`. Where it is given, no other claim is taken in its place.
    pub user: Option<String>,
    /// `None`: `email`.
    pub email: Option<String>,
    /// `None`: `role`.
    pub role: Option<String>,
    /// `None`: `admin`.
    pub admin: Option<String>,
}

impl ClaimNames {
    /// Whether the bearer may see all there is. Only the word itself: no text, and nothing that counts as true elsewhere.
    pub(super) fn is_admin(&self, all: &Value) -> bool {
        find(all, self.admin.as_deref().unwrap_or("admin")) == Some(&Value::Bool(true))
    }

    /// Reads the claims of a token; after an error, what is wrong with them.
    pub(super) fn read(&self, all: &Value) -> Result<Claims, String> {
        let user = match &self.user {
            Some(name) => find(all, name),
            None => find(all, "userId").or_else(|| find(all, "sub")),
        };
        let user_id = match user {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        if user_id.is_empty() {
            return Err(format!("it has no {}", self.user.as_deref().unwrap_or("`userId`, nor `sub`")));
        }
        let text = |name: &str| match find(all, name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("its {name} is no text")),
        };
        Ok(Claims {
            user_id,
            email: text(self.email.as_deref().unwrap_or("email"))?,
            role: text(self.role.as_deref().unwrap_or("role"))?,
            // RFC 7519 allows a fraction; whole seconds are all that matters here.
            exp: find(all, "exp").and_then(Value::as_f64).map(|seconds| seconds as u64),
        })
    }
}

/// The claim of this name, else what stands at the end of the path; null is nothing.
fn find<'a>(all: &'a Value, name: &str) -> Option<&'a Value> {
    let found = all.get(name).or_else(|| name.split('.').try_fold(all, |within, member| within.get(member)));
    found.filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(user: &str) -> ClaimNames {
        ClaimNames { user: Some(user.into()), ..ClaimNames::default() }
    }

    #[test]
    fn the_user_is_user_id_else_sub_and_may_be_a_number() {
        for (json, user) in
            [(json!({"userId":"u1","sub":"s1"}), "u1"), (json!({"sub":"s1"}), "s1"), (json!({"userId":42}), "42")]
        {
            assert_eq!(ClaimNames::default().read(&json).expect("claims").user_id, user);
        }
    }

    #[test]
    fn a_token_without_a_user_is_refused() {
        for json in
            [json!({}), json!({"userId":""}), json!({"userId":null}), json!({"userId":["u1"]}), json!([]), json!(1)]
        {
            assert!(ClaimNames::default().read(&json).is_err(), "{json} was taken");
        }
        for json in
            [json!({"userId":"u1","sub":"u1"}), json!({"a":{"id":""}}), json!({"a":"id"}), json!({"a":{"id":{}}})]
        {
            assert!(names("a.id").read(&json).is_err(), "{json} was taken");
        }
    }

    #[test]
    fn an_admin_is_who_is_called_so_and_nobody_else() {
        let deep = ClaimNames { admin: Some("app.admin".into()), ..ClaimNames::default() };
        assert!(
            ClaimNames::default().is_admin(&json!({"admin": true})) && deep.is_admin(&json!({"app": {"admin": true}}))
        );
        for all in
            [json!({}), json!({"admin": "true"}), json!({"admin": 1}), json!({"admin": false}), json!({"Admin": true})]
        {
            assert!(!ClaimNames::default().is_admin(&all), "{all}");
        }
        assert!(!deep.is_admin(&json!({"admin": true})), "another claim counts");
    }

    #[test]
    fn a_claim_is_found_by_its_name_or_by_a_path() {
        let all =
            json!({ "a": { "id": 7, "role": "editor" }, "https://example.com/role": "x", "mail": "m", "email": 1 });
        let names = ClaimNames {
            user: Some("a.id".into()),
            email: Some("mail".into()),
            role: Some("https://example.com/role".into()),
            admin: None,
        };
        let claims = names.read(&all).expect("claims");
        assert_eq!(
            (claims.user_id.as_str(), claims.email.as_deref(), claims.role.as_deref()),
            ("7", Some("m"), Some("x"))
        );
        let names = ClaimNames { role: Some("a.role".into()), ..names };
        assert_eq!(names.read(&all).expect("claims").role.as_deref(), Some("editor"));
        let names = ClaimNames { role: Some("a.b.c".into()), email: None, ..names };
        assert!(names.read(&all).is_err(), "an email that is a number");
    }
}
