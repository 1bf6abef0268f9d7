use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool_postgres::{Object, Transaction};
use futures_util::{StreamExt, stream::FuturesOrdered};
use indexmap::IndexMap;
use tokio_postgres::{
    Row, Statement,
    error::SqlState,
    types::{ToSql, Type},
};

use super::{RowSecurity, policy::Policy};
use crate::{
    events::{About, Answer, Link, Question, split_key},
    postgres::quote::identifier,
    store::{
        pool::is_lost,
        visible::{are_visible, become_visible},
    },
};

/// How long all questions about one table that are asked at once may take. All else waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long one statement may take.
const STATEMENT: Duration = Duration::from_secs(1);
/// How long nobody asks again after Postgres could not be asked.
const PAUSE: Duration = Duration::from_secs(3);
/// The same of one table, after its policies took too long.
const REST: Duration = Duration::from_secs(10);
/// How many statements are under way at once.
const AT_ONCE: usize = 64;
/// How many questions one statement answers.
const ROWS_AT_ONCE: usize = 1_000;

impl RowSecurity {
    /// Answers each question, by what is committed at least up to these transactions; `None` where Postgres did not answer. A
    /// question that Postgres refuses, as it would refuse the SELECT, is answered: nothing is seen.
    pub async fn answers(&self, questions: &[Question], after: &[u32]) -> Vec<Option<Answer>> {
        let mut answers = vec![None; questions.len()];
        let mut tables: IndexMap<u32, Vec<usize>> = IndexMap::new();
        for (nth, question) in questions.iter().enumerate() {
            tables.entry(question.guard.oid).or_default().push(nth);
        }
        // Each table has a time of its own, so that one with slow policies does not silence the others.
        for (table, members) in tables {
            if self.is_silent() || self.is_slow(table) {
                continue;
            }
            let of_table: Vec<Question> = members.iter().filter_map(|nth| questions.get(*nth)).cloned().collect();
            for (nth, answer) in members.into_iter().zip(self.answers_about(table, &of_table, after).await) {
                set(&mut answers, nth, answer);
            }
        }
        answers
    }

    async fn answers_about(&self, table: u32, questions: &[Question], after: &[u32]) -> Vec<Option<Answer>> {
        let mut answers = vec![None; questions.len()];
        let Ok(mut client) = self.0.pool.get().await.inspect_err(|error| self.unanswered(error)) else {
            return answers;
        };
        match tokio::time::timeout(PATIENCE, self.ask_all(&mut client, questions, after, &mut answers)).await {
            Ok(Ok(true)) => *super::write(&self.0.silent) = None,
            // A moment later it may be.
            Ok(Ok(false)) => tracing::warn!("what was committed is not visible yet, so nobody is told of it"),
            Ok(Err(error)) => {
                self.unanswered(&error);
                drop(Object::take(client));
            }
            Err(_) => {
                tracing::warn!(
                    table,
                    "who may see rows of this table was not answered in time, so nobody is told of them"
                );
                super::write(&self.0.slow).insert(table, Instant::now());
                drop(Object::take(client));
            }
        }
        answers
    }

    /// Whether what these transactions did is there to be seen by whoever asks now.
    pub async fn is_visible(&self, transactions: &[u32]) -> bool {
        if self.is_silent() {
            return false;
        }
        let asking = async {
            let client = self.0.pool.get().await.ok()?;
            are_visible(&**client, transactions).await.ok()
        };
        let seen = tokio::time::timeout(PATIENCE, asking).await.ok().flatten();
        if seen.is_none() {
            self.unanswered(&"it cannot be reached");
        }
        seen == Some(true)
    }

    /// Whether Postgres did not answer just now.
    fn is_silent(&self) -> bool {
        super::read(&self.0.silent).is_some_and(|since| since.elapsed() < PAUSE)
    }

    /// Whether a question about the table took too long just now.
    fn is_slow(&self, table: u32) -> bool {
        super::read(&self.0.slow).get(&table).is_some_and(|since| since.elapsed() < REST)
    }

    fn unanswered(&self, error: &dyn std::fmt::Display) {
        tracing::warn!(%error, "Postgres does not say who may see what: nothing is told until it does");
        *super::write(&self.0.silent) = Some(Instant::now());
    }

    async fn ask_all(
        &self,
        client: &mut Object,
        questions: &[Question],
        after: &[u32],
        answers: &mut [Option<Answer>],
    ) -> Result<bool, tokio_postgres::Error> {
        let mut groups: Vec<Group> = Vec::new();
        for members in grouped(questions) {
            if let Some(group) = self.group(client, questions, members, answers).await? {
                groups.push(group);
            }
        }
        let transaction = client.build_transaction().read_only(true).start().await?;
        if !become_visible(&*transaction, after).await? {
            return Ok(false);
        }
        let (role, timeout) = (identifier(&self.0.role), STATEMENT.as_millis());
        transaction.batch_execute(&format!("SET LOCAL ROLE {role}; SET LOCAL statement_timeout = {timeout}")).await?;
        let failed = self.answer_all(&transaction, questions, groups, answers).await?;
        // What failed together is asked again one by one: a key that is none says nothing of the others.
        let single = failed.into_iter().flat_map(Group::alone).collect();
        for group in self.answer_all(&transaction, questions, single, answers).await? {
            for nth in group.members {
                set(answers, nth, questions.get(nth).and_then(|question| refused(&question.about)));
            }
        }
        // It has read only: that it ends by a ROLLBACK, which nobody waits for, is all the same.
        Ok(true)
    }

    /// The statement for questions of one kind, of one identity, about one table. `None`: they cannot be asked.
    async fn group(
        &self,
        client: &Object,
        questions: &[Question],
        members: Vec<usize>,
        answers: &mut [Option<Answer>],
    ) -> Result<Option<Group>, tokio_postgres::Error> {
        let Some(first) = members.first().and_then(|nth| questions.get(*nth)) else { return Ok(None) };
        let policy = super::read(&self.0.policies).get(&first.guard.oid).cloned();
        // Asked by what is not so any more: whoever asks will hear of it in a moment.
        let is_current = |policy: &Arc<Policy>| policy.mark == first.guard.mark;
        let Some(policy) = policy.filter(is_current) else { return Ok(None) };
        let (sql, arrays) = match &first.about {
            About::Row(_) => (policy.about_rows(), policy.row_arrays()),
            About::Key(_) => (policy.about_keys(), policy.key.len()),
            About::Link(link) => (policy.about_link(link), 0),
        };
        let begins = client.prepare_typed_cached(BEGINS, &[Type::TEXT]).await?;
        match client.prepare_typed_cached(&sql, &vec![Type::TEXT_ARRAY; arrays]).await {
            Ok(asks) => Ok(Some(Group { policy, members, begins, asks })),
            Err(error) if is_lost(&error) => Err(error),
            Err(error) => {
                tracing::warn!(table = policy.table, %error, "its policies cannot be evaluated, so nobody is told of it");
                for nth in members {
                    set(answers, nth, questions.get(nth).and_then(|question| refused(&question.about)));
                }
                Ok(None)
            }
        }
    }

    /// Puts all questions, and answers those that Postgres answers. Gives back those that it refused.
    async fn answer_all(
        &self,
        transaction: &Transaction<'_>,
        questions: &[Question],
        groups: Vec<Group>,
        answers: &mut [Option<Answer>],
    ) -> Result<Vec<Group>, tokio_postgres::Error> {
        let mut failed = Vec::new();
        let mut groups = groups.into_iter();
        loop {
            let mut asking: FuturesOrdered<_> =
                groups.by_ref().take(AT_ONCE).map(|group| answer(transaction, questions, group)).collect();
            if asking.is_empty() {
                return Ok(failed);
            }
            while let Some((group, outcome)) = asking.next().await {
                match outcome {
                    Ok(row) => group.read(&row, questions, answers)?,
                    Err(error) if is_lost(&error) => return Err(error),
                    Err(error) if is_passing(&error) => {
                        tracing::warn!(%error, table = group.policy.table, "who may see what was not answered");
                        super::write(&self.0.slow).insert(group.policy.oid, Instant::now());
                    }
                    Err(error) => {
                        tracing::debug!(%error, table = group.policy.table, "a question was refused");
                        failed.push(group);
                    }
                }
            }
        }
    }
}

const BEGINS: &str = "SELECT pg_catalog.set_config('request.jwt.claims', $1, true)";

/// Questions that one statement answers.
struct Group {
    policy: Arc<Policy>,
    /// By their numbers.
    members: Vec<usize>,
    begins: Statement,
    asks: Statement,
}

impl Group {
    fn alone(self) -> Vec<Group> {
        let alone = |nth| Group {
            policy: Arc::clone(&self.policy),
            members: vec![nth],
            begins: self.begins.clone(),
            asks: self.asks.clone(),
        };
        self.members.iter().copied().map(alone).collect()
    }

    /// An array for each parameter.
    fn parameters(&self, questions: &[Question]) -> Vec<Vec<Option<String>>> {
        let abouts = self.members.iter().filter_map(|nth| questions.get(*nth)).map(|question| &question.about);
        let mut arrays = vec![Vec::new(); self.asks.params().len()];
        for about in abouts {
            match about {
                About::Row(values) => {
                    for (array, value) in arrays.iter_mut().zip(self.policy.row_values(values)) {
                        array.push(value);
                    }
                }
                About::Key(key) => {
                    // Where it is of another number of columns there is no such row.
                    let values = split_key(key, self.policy.key.len());
                    for (column, array) in arrays.iter_mut().enumerate() {
                        let value = values.as_ref().and_then(|values| values.get(column));
                        array.push(value.map(|value| value.to_string()));
                    }
                }
                About::Link(_) => {}
            }
        }
        arrays
    }

    fn claims<'a>(&self, questions: &'a [Question]) -> &'a str {
        self.members.first().and_then(|nth| questions.get(*nth)).map_or("", |question| &question.claims)
    }

    /// Takes in what Postgres said, if it said it to these claims.
    fn read(
        &self,
        row: &Row,
        questions: &[Question],
        answers: &mut [Option<Answer>],
    ) -> Result<(), tokio_postgres::Error> {
        if row.try_get::<_, &str>(1)? != self.claims(questions) {
            tracing::error!(table = self.policy.table, "an answer was given to other claims than asked: report it");
            return Ok(());
        }
        if let [nth] = self.members.as_slice()
            && let Some(About::Link(_)) = questions.get(*nth).map(|question| &question.about)
        {
            set(answers, *nth, Some(Answer::Value(row.try_get(0)?)));
            return Ok(());
        }
        let seen: Vec<i64> = row.try_get::<_, Option<Vec<i64>>>(0)?.unwrap_or_default();
        for (number, nth) in (1..).zip(&self.members) {
            set(answers, *nth, Some(Answer::Seen(seen.contains(&number))));
        }
        Ok(())
    }
}

/// What questions have in common that one statement answers: the claims, the guard's mark, its table, and what they are about.
type Together<'a> = (&'a str, &'a str, u32, Option<&'a Link>, bool);

/// The numbers of the questions that one statement answers.
fn grouped(questions: &[Question]) -> impl Iterator<Item = Vec<usize>> {
    let mut groups: IndexMap<Together<'_>, Vec<usize>> = IndexMap::new();
    for (nth, Question { claims, guard, about }) in questions.iter().enumerate() {
        let link = if let About::Link(link) = about { Some(link) } else { None };
        groups.entry((claims, &guard.mark, guard.oid, link, matches!(about, About::Key(_)))).or_default().push(nth);
    }
    groups.into_values().flat_map(|group| group.chunks(ROWS_AT_ONCE).map(<[usize]>::to_vec).collect::<Vec<_>>())
}

/// One question with the claims before it, and as if nothing had been after it, whatever comes of it. All four go out
/// together, and are carried out in this order.
async fn answer(
    transaction: &Transaction<'_>,
    questions: &[Question],
    group: Group,
) -> (Group, Result<Row, tokio_postgres::Error>) {
    let parameters = group.parameters(questions);
    let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|array| array as _).collect();
    let claims = group.claims(questions);
    let (set, asks) = (&claims as &(dyn ToSql + Sync), transaction.query_one(&group.asks, &parameters));
    let set = [set];
    let (saved, begun, row, undone) = tokio::join!(
        biased;
        transaction.batch_execute("SAVEPOINT walcast"),
        transaction.query_one(&group.begins, &set),
        asks,
        transaction.batch_execute("ROLLBACK TO SAVEPOINT walcast"),
    );
    let outcome = saved.and(begun).and(row).and_then(|row| undone.map(|()| row));
    (group, outcome)
}

/// Whether the same question may be answered a moment later.
fn is_passing(error: &tokio_postgres::Error) -> bool {
    let class = |code: &SqlState| code.code().get(..2).map(str::to_owned).unwrap_or_default();
    error.code().is_none_or(|code| matches!(class(code).as_str(), "08" | "40" | "53" | "55" | "57" | "58" | "XX"))
}

/// The answer where Postgres refuses the question, as it would refuse the SELECT.
fn refused(about: &About) -> Option<Answer> {
    match about {
        About::Row(_) | About::Key(_) => Some(Answer::Seen(false)),
        About::Link(_) => None,
    }
}

fn set(answers: &mut [Option<Answer>], nth: usize, answer: Option<Answer>) {
    if let Some(place) = answers.get_mut(nth) {
        *place = answer;
    }
}
