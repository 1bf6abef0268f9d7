//! Random policies, random writes: what everyone holds is what Postgres would show them, after each commit.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Office, token_with};
use crate::support::{Client, request};

const POLICIES: usize = 50;
const WRITES: usize = 8;
const USERS: [(&str, &str); 3] = [("ann", "staff"), ("bob", "guest"), ("eve", "guest")];

/// Splitmix: the same numbers for the same seed, everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len() as u64) as usize]
    }

    fn condition(&mut self) -> String {
        const ATOMS: [&str; 11] = [
            "owner = me()",
            "owner IS DISTINCT FROM me()",
            "org = 7",
            "title IS NOT NULL",
            "secret = 'x'",
            "current_setting('request.jwt.claims', true)::json ->> 'role' = 'staff'",
            "EXISTS (SELECT FROM members m WHERE m.org = docs.org AND m.member = me() AND m.level <> 'none')",
            "org IN (SELECT org FROM members WHERE member = (SELECT me()))",
            "NOT EXISTS (SELECT FROM members m WHERE m.org = docs.org AND m.member = me() AND m.level = 'none')",
            "(SELECT count(*) FROM members m WHERE m.org = docs.org) > 1",
            "EXISTS (SELECT FROM members m WHERE m.member = docs.owner AND m.level = 'all')",
        ];
        let one = self.pick(&ATOMS);
        match self.roll(3) {
            0 => format!("({one}) OR ({})", self.pick(&ATOMS)),
            1 => format!("({one}) AND ({})", self.pick(&ATOMS)),
            _ => one.to_owned(),
        }
    }

    /// The policies of a round.
    fn policies(&mut self) -> String {
        let mut sql = String::from(
            "DO $$ DECLARE p record; BEGIN FOR p IN SELECT * FROM pg_policies WHERE schemaname = 'public' LOOP
             EXECUTE format('DROP POLICY %I ON %I', p.policyname, p.tablename); END LOOP; END $$;
             ALTER TABLE docs ENABLE ROW LEVEL SECURITY;",
        );
        for nth in 0..=self.roll(2) {
            sql += &format!("CREATE POLICY allow_{nth} ON docs FOR SELECT USING ({});", self.condition());
        }
        if self.roll(3) == 0 {
            sql += &format!("CREATE POLICY limit_ ON docs AS RESTRICTIVE USING ({});", self.condition());
        }
        sql += match self.roll(3) {
            0 => "ALTER TABLE members DISABLE ROW LEVEL SECURITY;",
            1 => "ALTER TABLE members ENABLE ROW LEVEL SECURITY; CREATE POLICY all_ ON members USING (true);",
            _ => "ALTER TABLE members ENABLE ROW LEVEL SECURITY; CREATE POLICY self ON members USING (member = me());",
        };
        sql
    }

    fn write(&mut self) -> String {
        let id = self.roll(6);
        let user = self.pick(&["'ann'", "'bob'", "'eve'", "NULL"]);
        let org = self.pick(&["7", "8", "NULL"]);
        let text = self.pick(&["'x'", "'y'", "NULL"]);
        match self.roll(9) {
            0 | 1 => format!(
                "INSERT INTO docs (id, owner, org, title, secret) VALUES ({id}, {user}, {org}, {text}, 'x')
                 ON CONFLICT (id) DO UPDATE SET owner = {user}"
            ),
            2 => format!("UPDATE docs SET owner = {user} WHERE id >= {id}"),
            3 => format!("UPDATE docs SET org = {org}, title = {text} WHERE id = {id}"),
            4 => format!("UPDATE docs SET secret = {text}, title = coalesce(title, 't') WHERE id <= {id}"),
            5 => format!("DELETE FROM docs WHERE id = {id}"),
            6 => format!(
                "INSERT INTO members VALUES (coalesce({org}, 8), coalesce({user}, 'bob'), 'all')
                 ON CONFLICT (org, member) DO UPDATE SET level = CASE members.level WHEN 'all' THEN 'none' ELSE 'all' END"
            ),
            7 => format!("DELETE FROM members WHERE member = {user} OR org = {org} AND level = 'none'"),
            _ => format!(
                "BEGIN; UPDATE docs SET title = 'passing', owner = {user} WHERE id = {id};
                 UPDATE docs SET title = {text}, org = {org} WHERE id = {id}; COMMIT"
            ),
        }
    }
}

type Rows = BTreeMap<i64, Value>;

/// What Postgres shows somebody.
async fn shown(office: &Office, (user, role): (&str, &str)) -> Rows {
    let claims = json!({ "userId": user, "role": role }).to_string();
    let query = format!(
        "BEGIN; SET LOCAL ROLE {}; SELECT set_config('request.jwt.claims', '{claims}', true);
         SELECT to_jsonb(d)::text FROM docs d; COMMIT",
        office.role
    );
    let rows = office.database.client.simple_query(&query).await.expect("selects");
    let texts = rows.iter().filter_map(|row| match row {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).filter(|text| text.contains("\"kind\"")),
        _ => None,
    });
    texts
        .map(|text| serde_json::from_str::<Value>(text).expect("JSON"))
        .map(|row| (row["id"].as_i64().expect("an id"), row))
        .collect()
}

/// Takes in an event as a frontend would. False: it says to fetch.
fn apply(rows: &mut Rows, event: &str, payload: &Value) -> bool {
    let id = payload["docId"].as_i64().or_else(|| payload["docId"].as_str()?.parse().ok());
    match (event, id) {
        ("doc:created", Some(id)) => drop(rows.insert(id, payload["doc"].clone())),
        ("doc:updated", Some(id)) => {
            let row = rows.get_mut(&id).unwrap_or_else(|| panic!("{payload} is of a row that was not told"));
            for (name, value) in payload["updates"].as_object().expect("updates") {
                row[name] = value.clone();
            }
        }
        ("doc:deleted", Some(id)) => drop(rows.remove(&id)),
        ("doc:resync", _) => return false,
        other => panic!("{other:?} {payload}"),
    }
    true
}

struct Reader {
    who: (&'static str, &'static str),
    page: Client,
    rows: Rows,
    /// One that follows single rows.
    single: Client,
    followed: Rows,
    /// What was held at an offset.
    before: Option<(Value, Rows)>,
}

impl Reader {
    async fn new(office: &Office, who: (&'static str, &'static str)) -> Reader {
        let connect = || {
            let auth = json!({ "token": token_with(who.0, who.1, None) });
            office.sockets.try_connect(&office.server, json!({ "transports": ["websocket"], "auth": auth }))
        };
        let (page, single) = (connect().await.expect("connects"), connect().await.expect("connects"));
        office.follow_page(&page).await;
        for client in [&page, &single] {
            client.subscribe(json!({ "entityType": "marker", "entityId": "1" })).await;
        }
        Reader { who, page, rows: Rows::new(), single, followed: Rows::new(), before: None }
    }

    /// Hears everything up to a marker; then holds what Postgres shows.
    async fn hears(&mut self, office: &Office, marker: &str, round: &str) {
        let shown = shown(office, self.who).await;
        let mut is_stale = false;
        let (heard, at) = up_to(&mut self.page, marker).await;
        for (event, payload) in &heard {
            if is_stale {
                continue;
            }
            if event == "doc:updated" && !self.rows.contains_key(&payload["docId"].as_i64().expect("an id")) {
                panic!("{:?} was told of a row that it did not hold: {payload} of {heard:?}\n{round}", self.who);
            }
            is_stale = !apply(&mut self.rows, event, payload);
        }
        if is_stale {
            self.rows = shown.clone();
        }
        assert_eq!(self.rows, shown, "{:?} was told {heard:?}\n{round}", self.who);
        self.comes_back_and_polls(office, &shown, round).await;
        self.before = Some((at, shown.clone()));
        for (event, payload) in up_to(&mut self.single, marker).await.0 {
            if !apply(&mut self.followed, &event, &payload) {
                let id = payload["docId"].as_str().and_then(|id| id.parse().ok()).expect("the row's id");
                self.followed.insert(id, shown[&id].clone());
            }
        }
        let expected: Rows =
            shown.iter().filter(|(id, _)| self.followed.contains_key(id)).map(|(id, row)| (*id, row.clone())).collect();
        assert_eq!(self.followed, expected, "{:?} followed single rows\n{round}", self.who);
    }

    /// Somebody with the same token who was away since the last marker, and one who polls, hold the same.
    async fn comes_back_and_polls(&mut self, office: &Office, shown: &Rows, round: &str) {
        let token = token_with(self.who.0, self.who.1, None);
        let bearer = format!("Authorization: Bearer {token}");
        let path = "/api/rows/doc?entityType=page&entityId=1";
        let (status, _, body) = request(office.server.address, "GET", path, &[&bearer]).await;
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let polled = body["rows"].as_array().unwrap_or_else(|| panic!("{status} {body}")).iter();
        let polled: Rows = polled.map(|row| (row["id"].as_i64().expect("an id"), row.clone())).collect();
        assert_eq!(polled, *shown, "{:?} polled\n{round}", self.who);
        let Some((since, mut rows)) = self.before.take() else { return };
        let options = json!({ "transports": ["websocket"], "auth": { "token": token } });
        let mut late = office.sockets.try_connect(&office.server, options).await.expect("connects");
        let page = json!({ "entityType": "page", "entityId": "1" });
        let mut back = page.clone();
        back["since"] = since;
        let ack = late.request("doc:subscribe", back).await;
        assert_eq!(ack["ok"], true, "{ack}");
        // What is to be fetched again is said behind the ack.
        late.request("component:unsubscribe", page).await;
        let heard = late.received();
        if heard.iter().all(|(event, payload)| apply(&mut rows, event, payload)) {
            assert_eq!(rows, *shown, "{:?} came back to {heard:?}\n{round}", self.who);
        }
        late.disconnect().await;
    }

    async fn follows(&mut self, office: &Office, id: i64, round: &str) {
        if self.followed.contains_key(&id) {
            return;
        }
        let shown = shown(office, self.who).await;
        let ack = self.single.request("doc:subscribe", json!({ "docId": id })).await;
        assert_eq!(ack["ok"] == true, shown.contains_key(&id), "{:?} {id} {ack}\n{round}", self.who);
        if let Some(row) = shown.get(&id) {
            self.followed.insert(id, row.clone());
        }
    }
}

/// What a client hears before a marker, and the marker's offset.
async fn up_to(client: &mut Client, marker: &str) -> (Vec<(String, Value)>, Value) {
    let mut heard = Vec::new();
    loop {
        let (event, payload) = client.next().await;
        if payload["component"]["name"] == marker {
            return (heard, payload["offset"].clone());
        }
        if payload["entityType"] != "marker" {
            heard.push((event, payload));
        }
    }
}

async fn everyone_holds_what_postgres_shows(seed: u64, plugin: &str) {
    let office = Office::with("", plugin, &[]).await;
    let mut dice = Dice(seed);
    let mut readers = Vec::new();
    for who in USERS {
        readers.push(Reader::new(&office, who).await);
    }
    for nth in 0..POLICIES {
        let policies = dice.policies();
        office.sql(&policies).await;
        let mut history = format!("seed {seed}, round {nth}: {policies}");
        // With the next change of the table walcast knows of it.
        office.sql("INSERT INTO docs (id) VALUES (-1); DELETE FROM docs WHERE id = -1").await;
        for step in 0..WRITES {
            let write = if step == 0 { "SELECT 1".to_owned() } else { dice.write() };
            history += &format!("\n{write};");
            office.sql(&write).await;
            let marker = format!("{nth} {step}");
            let insert = "INSERT INTO components (entity_type, entity_id, type, name) VALUES ('marker', '1', 'm'";
            office.sql(&format!("{insert}, '{marker}')")).await;
            for reader in &mut readers {
                reader.hears(&office, &marker, &history).await;
            }
            let (reader, id) = (dice.roll(3) as usize, dice.roll(6) as i64);
            readers[reader].follows(&office, id, &history).await;
        }
    }
}

#[tokio::test]
async fn everyone_holds_what_postgres_shows_1() {
    everyone_holds_what_postgres_shows(1, "pgoutput").await;
}

#[tokio::test]
async fn everyone_holds_what_postgres_shows_2() {
    everyone_holds_what_postgres_shows(2, "pgoutput").await;
}

#[tokio::test]
async fn everyone_holds_what_postgres_shows_3() {
    everyone_holds_what_postgres_shows(3, "pgoutput").await;
}

#[tokio::test]
async fn everyone_holds_what_postgres_shows_4() {
    everyone_holds_what_postgres_shows(4, "pgoutput").await;
}
