//! Which rows of a table that policies read matter to whom: as far as the policies' own text says it.

use std::ops::ControlFlow;

use sqlparser::{
    ast::{
        BinaryOperator, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, Query, Select, SelectItem, SetExpr,
        TableFactor, TableWithJoins, Visit, Visitor,
    },
    dialect::PostgreSqlDialect,
    parser::Parser,
};

/// A column of a table, and the expression, of claims and constants only, that it is compared with wherever the policies read
/// the table. `None` where they read it otherwise too, or cannot be understood: then any row may matter to anybody.
pub fn find(schema: &str, table: &str, expressions: &[&str]) -> Option<(String, String)> {
    let mut search = Search { schema, table, found: Vec::new(), mentions: 0 };
    for expression in expressions {
        let parsed = Parser::parse_sql(&PostgreSqlDialect {}, &format!("SELECT ({expression})"));
        let _ = parsed.ok()?.visit(&mut search);
    }
    let Search { mentions, mut found, .. } = search;
    let is_everywhere = mentions > 0 && found.len() == mentions;
    found.dedup();
    match found.as_mut_slice() {
        [link] if is_everywhere => Some(std::mem::take(link)),
        _ => None,
    }
}

struct Search<'a> {
    schema: &'a str,
    table: &'a str,
    /// One for each place where the table is read by such a comparison.
    found: Vec<(String, String)>,
    /// How often the table is read.
    mentions: usize,
}

impl Visitor for Search<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        self.mentions += usize::from(self.is_table(name));
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let SetExpr::Select(select) = &*query.body {
            self.look(select);
        }
        ControlFlow::Continue(())
    }
}

impl Search<'_> {
    fn is_table(&self, name: &ObjectName) -> bool {
        let mut parts = name.0.iter().map(|part| part.as_ident().map(value));
        parts.next() == Some(Some(self.schema)) && parts.next() == Some(Some(self.table)) && parts.next().is_none()
    }

    fn look(&mut self, select: &Select) {
        let mut conditions = Vec::new();
        select.selection.iter().for_each(|condition| split(condition, &mut conditions));
        for TableWithJoins { relation, joins } in &select.from {
            let mut factors = vec![relation];
            for join in joins {
                match &join.join_operator {
                    JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::CrossJoin(on) => {
                        if let JoinConstraint::On(condition) = on {
                            split(condition, &mut conditions);
                        }
                        factors.push(&join.relation);
                    }
                    // In an outer join, a row matters by not being there as well.
                    _ => return,
                }
            }
            for factor in factors {
                let TableFactor::Table { name, alias, args: None, .. } = factor else { continue };
                if !self.is_table(name) {
                    continue;
                }
                let called = alias.as_ref().map_or(self.table, |alias| value(&alias.name)).to_owned();
                let link = conditions.iter().find_map(|condition| compared(condition, &called));
                self.found.extend(link);
            }
        }
    }
}

/// The conditions that all must hold.
fn split<'a>(condition: &'a Expr, conditions: &mut Vec<&'a Expr>) {
    match condition {
        Expr::Nested(inner) => split(inner, conditions),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            split(left, conditions);
            split(right, conditions);
        }
        other => conditions.push(other),
    }
}

/// `table.column = expression`, either way round.
fn compared(condition: &Expr, table: &str) -> Option<(String, String)> {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = condition else { return None };
    let column = |side: &Expr| match side {
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [of, column] if value(of) == table => Some(value(column).to_owned()),
            _ => None,
        },
        _ => None,
    };
    let sides = [(left, right), (right, left)];
    sides.into_iter().find_map(|(side, other)| {
        let column = column(side)?;
        (is_of_claims(other) && calls(other)).then(|| (column, other.to_string()))
    })
}

/// Whether an expression calls something: a constant is the same for everybody.
fn calls(expression: &Expr) -> bool {
    struct Calls;
    impl Visitor for Calls {
        type Break = ();

        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            if matches!(expression, Expr::Function(_)) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    expression.visit(&mut Calls).is_break()
}

/// Whether an expression names no column and no table.
fn is_of_claims(expression: &Expr) -> bool {
    struct Names;
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_relation(&mut self, _: &ObjectName) -> ControlFlow<()> {
            ControlFlow::Break(())
        }

        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            match expression {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            let SetExpr::Select(select) = &*query.body else { return ControlFlow::Break(()) };
            let is_single =
                |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
            match select.from.is_empty() && select.projection.iter().all(is_single) {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        }
    }
    expression.visit(&mut Names).is_continue()
}

/// A name as the catalog has it.
fn value(ident: &Ident) -> &str {
    &ident.value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(expressions: &[&str]) -> Option<(String, String)> {
        find("public", "members", expressions)
    }

    fn of(column: &str, expression: &str) -> Option<(String, String)> {
        Some((column.to_owned(), expression.to_owned()))
    }

    #[test]
    fn a_membership_matters_to_its_member() {
        let policy = "(EXISTS ( SELECT 1\n   FROM public.members m\n  WHERE ((m.org_id = docs.org_id) AND (m.user_id = auth.uid()) \
                      AND (m.role <> 'none'::text))))";
        assert_eq!(link(&[policy]), of("user_id", "auth.uid()"));
        let supabase =
            "(org_id IN ( SELECT m.org_id FROM public.members m WHERE (( SELECT auth.uid() AS uid) = m.user_id)))";
        assert_eq!(link(&[supabase]), of("user_id", "(SELECT auth.uid() AS uid)"));
        let claims = "(EXISTS ( SELECT 1 FROM public.members WHERE (members.user_id = \
                      ((current_setting('request.jwt.claims'::text, true))::json ->> 'sub'::text)) ))";
        let (column, expression) = link(&[claims]).expect("a link");
        assert_eq!(column, "user_id");
        assert!(expression.contains("current_setting('request.jwt.claims'::TEXT, true)"), "{expression}");
    }

    #[test]
    fn a_table_that_is_joined_is_found_too() {
        let policy = "(EXISTS ( SELECT 1 FROM (public.teams t JOIN public.members m ON ((m.team = t.id))) \
                      WHERE ((t.doc = docs.id) AND (m.user_id = auth.uid()))))";
        // Deparsed with parentheses around the join, which are a table of their own kind: not looked into.
        assert_eq!(link(&[policy]), None);
        let plain = policy.replace("(public.teams", "public.teams").replace("t.id)))", "t.id))");
        assert_eq!(link(&[&plain]), of("user_id", "auth.uid()"));
    }

    #[test]
    fn what_is_read_otherwise_as_well_matters_to_everybody() {
        let by_user = "EXISTS ( SELECT 1 FROM public.members m WHERE m.user_id = auth.uid())";
        for other in [
            "EXISTS ( SELECT 1 FROM public.members m WHERE m.org_id = docs.org_id)",
            "(( SELECT count(*) FROM public.members) > 3)",
            "EXISTS ( SELECT 1 FROM public.members m WHERE (m.user_id = auth.uid()) OR m.is_public)",
            "EXISTS ( SELECT 1 FROM docs d LEFT JOIN public.members m ON (m.user_id = auth.uid()) WHERE m.user_id IS NULL)",
            "EXISTS ( SELECT 1 FROM public.members m WHERE m.other = auth.uid())",
            "EXISTS ( SELECT 1 FROM public.members m WHERE m.user_id = docs.owner)",
            "no SQL at all ((",
        ] {
            assert_eq!(link(&[by_user, other]), None, "{other}");
        }
        assert_eq!(link(&[by_user, "(owner = auth.uid())", by_user]), of("user_id", "auth.uid()"));
    }

    #[test]
    fn a_constant_links_with_nobody() {
        let policy = "EXISTS ( SELECT 1 FROM public.members m WHERE ((m.active = true) AND (m.user_id = auth.uid())))";
        assert_eq!(link(&[policy]), of("user_id", "auth.uid()"));
        assert_eq!(link(&["EXISTS ( SELECT 1 FROM public.members m WHERE (m.level = 'all'::text))"]), None);
    }

    #[test]
    fn a_table_of_another_schema_is_another() {
        assert_eq!(link(&["EXISTS ( SELECT 1 FROM private.members m WHERE m.user_id = auth.uid())"]), None);
    }
}
