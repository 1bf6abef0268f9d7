use postgres_protocol::escape::escape_literal;
use serde::Deserialize;

use super::{Store, StoreError};

/// What the demo's page may have done in plain SQL: statements of these forms, and no others.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Edit {
    /// Names one component.
    Rename { component_id: String, name: String },
    /// Gives all components of the page a tone.
    Paint { tone: String },
}

/// What was run, word by word, and how many rows it changed.
pub struct Edited {
    pub sql: String,
    pub rows: u64,
}

impl Edit {
    /// As somebody would type it, so no parameters: the page shows what was run.
    fn sql(&self) -> String {
        let quoted = |text: &str| escape_literal(text).trim_start().to_owned();
        match self {
            Edit::Rename { component_id, name } => format!(
                "UPDATE components\n   SET name = {}, updated_by = 'psql'\n WHERE id = {};",
                quoted(name),
                quoted(component_id)
            ),
            Edit::Paint { tone } => format!(
                "UPDATE components\n   SET data = data || {}, updated_by = 'psql'\n WHERE entity_type = 'page' AND entity_id = '1';",
                quoted(&serde_json::json!({ "tone": tone }).to_string())
            ),
        }
    }
}

impl Store {
    pub async fn edit(&self, edit: &Edit) -> Result<Edited, StoreError> {
        let sql = edit.sql();
        let client = self.client().await?;
        let rows = client.execute(&sql, &[]).await.map_err(StoreError::sql("run the UPDATE"))?;
        Ok(Edited { sql, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_says_is_a_text_in_the_statement_whatever_it_is() {
        let sneaky = r"'; DROP TABLE components; -- \'";
        let rename = Edit::Rename { component_id: sneaky.into(), name: sneaky.into() };
        let literal = r"E'''; DROP TABLE components; -- \\'''";
        assert_eq!(
            rename.sql(),
            format!("UPDATE components\n   SET name = {literal}, updated_by = 'psql'\n WHERE id = {literal};")
        );
        let paint = Edit::Paint { tone: "it's \"blue\"".into() };
        let set = r#"SET data = data || E'{"tone":"it''s \\"blue\\""}', "#;
        assert!(paint.sql().contains(set), "{}", paint.sql());
    }
}
