use axum::{extract::Query, http::Uri};
use serde::Deserialize;

use super::answer::ApiError;
use crate::store::Selection;

/// How many rows a page has, and may have.
const LIMIT: u32 = 100;
const MOST: u32 = 500;
/// In bytes; as sockets have it.
const LONGEST_ID: usize = 1_024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    entity_type: Option<String>,
    entity_id: Option<String>,
    after: Option<String>,
    limit: Option<String>,
}

/// `?entityType=&entityId=`, and perhaps `limit` and `after`.
pub fn selection(uri: &Uri) -> Result<Selection, ApiError> {
    let Query(asked) = Query::<Parameters>::try_from_uri(uri)
        .map_err(|error| ApiError::invalid(&format!("the query cannot be read: {}", error.body_text())))?;
    let (Some(entity_type), Some(id)) = (asked.entity_type, asked.entity_id) else {
        return Err(ApiError::invalid("entityType and entityId are missing, or one of them"));
    };
    check("entityType", &entity_type)?;
    check("entityId", &id)?;
    if let Some(after) = &asked.after {
        check("after", after)?;
    }
    let limit = match asked.limit {
        None => LIMIT,
        Some(limit) => limit
            .parse()
            .ok()
            .filter(|limit| (1..=MOST).contains(limit))
            .ok_or_else(|| ApiError::invalid(&format!("limit must be a number from 1 to {MOST}")))?,
    };
    Ok(Selection::Entity { entity_type, id, after: asked.after, limit })
}

/// Whether a text may be an id.
pub fn check(name: &str, id: &str) -> Result<(), ApiError> {
    match id {
        "" => Err(ApiError::invalid(&format!("{name} is empty"))),
        id if id.len() > LONGEST_ID => {
            Err(ApiError::invalid(&format!("{name} has {} bytes, the limit is {LONGEST_ID}", id.len())))
        }
        // Postgres has no such text.
        id if id.contains('\0') => Err(ApiError::invalid(&format!("{name} holds a NUL"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Selection, ApiError> {
        selection(&format!("/api/components?{query}").parse().expect("a URI"))
    }

    #[test]
    fn a_list_is_of_an_entity() {
        let of = |after: Option<&str>, limit| Selection::Entity {
            entity_type: "a b".into(),
            id: "7".into(),
            after: after.map(Into::into),
            limit,
        };
        assert_eq!(read("entityType=a+b&entityId=7").ok(), Some(of(None, 100)));
        assert_eq!(read("entityId=7&entityType=a%20b&limit=500&after=%25&x=y").ok(), Some(of(Some("%"), 500)));
    }

    #[test]
    fn what_says_no_list_is_refused() {
        let long = format!("entityType=a&entityId={}", "x".repeat(1_025));
        for query in [
            "",
            "entityType=a",
            "entityId=7",
            "entityType=&entityId=7",
            "entityType=a&entityId=",
            "entityType=a&entityType=b&entityId=7",
            "entityType=a&entityId=%00",
            "entityType=a&entityId=7&after=",
            "entityType=a&entityId=7&limit=0",
            "entityType=a&entityId=7&limit=501",
            "entityType=a&entityId=7&limit=-1",
            "entityType=a&entityId=7&limit=many",
            &long,
        ] {
            assert!(read(query).is_err(), "{query} was taken");
        }
    }
}
