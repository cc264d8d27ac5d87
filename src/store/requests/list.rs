//! Requests by their properties, a page at a time, with the sessions that each made.

use std::collections::HashMap;

use super::super::{Session, StoreError, column, sessions};
use super::{ImportRequest, Requests, Status, from_row};

/// Ids in one statement; SQLite and PostgreSQL both take more.
const IDS_PER_QUERY: usize = 500;

/// Which requests to list; by default all of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestFilter<'a> {
    /// Only this user's.
    pub username: Option<&'a str>,
    /// Only those not in a final state.
    pub active: bool,
    pub project: Option<&'a str>,
    /// Only those in one of these states; empty for any.
    pub statuses: &'a [Status],
    /// Only those called for at this time or later.
    pub since: Option<i64>,
    /// Only those called for before this time.
    pub before: Option<i64>,
    /// Only those with this text in the path, the resolution, or the subject or label of a session
    /// made, or at the start of a label in the call, whatever the letter case.
    pub text: Option<&'a str>,
    pub newest_first: bool,
    pub offset: u64,
    /// None: all that follow.
    pub limit: Option<u64>,
}

/// Every parameter is bound, whether or not it restricts: one statement for all filters.
const MATCHES: &str = "FROM requests r
     WHERE ($1 = '' OR r.username = $1) AND ($2 = '' OR r.project = $2)
       AND ($3 = '' OR $3 LIKE '%,' || r.status || ',%')
       AND r.created >= $4 AND r.created < $5
       AND ($6 = '' OR lower(r.session_path) LIKE lower($6) ESCAPE '!'
            OR lower(COALESCE(r.resolution, '')) LIKE lower($6) ESCAPE '!'
            OR lower(r.parameters) LIKE lower($7) ESCAPE '!' OR lower(r.parameters) LIKE lower($8) ESCAPE '!'
            OR EXISTS (SELECT 1 FROM commits c JOIN sessions s ON s.id = c.session
                       WHERE c.request = r.id AND c.finished IS NOT NULL
                         AND (lower(s.label) LIKE lower($6) ESCAPE '!' OR lower(s.subject) LIKE lower($6) ESCAPE '!')))";

/// The filter's values as the statement takes them.
struct Bound {
    statuses: String,
    anywhere: String,
    label: String,
    subject: String,
}

impl RequestFilter<'_> {
    fn bound(&self) -> Bound {
        let is_wanted = |s: &&Status| {
            (self.statuses.is_empty() || self.statuses.contains(s))
                && !(self.active && s.is_final())
        };
        let statuses = match self.statuses.is_empty() && !self.active {
            true => String::new(),
            false => {
                let names = Status::ALL.iter().filter(is_wanted).map(|s| s.as_str());
                format!(",{},", names.collect::<Vec<_>>().join(","))
            }
        };
        // Only the database folds letter cases, so that both sides are folded alike.
        let text = self.text.unwrap_or_default();
        // The parameters are a JSON object: a label starts behind its name there.
        let in_json = serde_json::Value::from(text).to_string();
        let in_json = escape(&in_json[1..in_json.len() - 1]);
        let pattern = |pattern: String| match text.is_empty() {
            true => String::new(),
            false => pattern,
        };
        Bound {
            statuses,
            anywhere: pattern(format!("%{}%", escape(text))),
            label: pattern(format!("%\"expt!_label\":\"{in_json}%")),
            subject: pattern(format!("%\"subject!_id\":\"{in_json}%")),
        }
    }
}

/// Text that LIKE takes as it is.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '!') {
            escaped.push('!');
        }
        escaped.push(c);
    }
    escaped
}

macro_rules! bind_filter {
    ($query:expr, $filter:expr, $bound:expr) => {
        $query
            .bind($filter.username.unwrap_or_default())
            .bind($filter.project.unwrap_or_default())
            .bind($bound.statuses)
            .bind($filter.since.unwrap_or(i64::MIN))
            .bind($filter.before.unwrap_or(i64::MAX))
            .bind($bound.anywhere)
            .bind($bound.label)
            .bind($bound.subject)
    };
}

impl Requests<'_> {
    /// A page of requests, in the order they came unless the filter says otherwise.
    pub async fn list(&self, filter: RequestFilter<'_>) -> Result<Vec<ImportRequest>, StoreError> {
        let order = if filter.newest_first { "DESC" } else { "ASC" };
        let sql = format!("SELECT r.* {MATCHES} ORDER BY r.id {order} LIMIT $9 OFFSET $10");
        let bound = filter.bound();
        let query = sqlx::query(sqlx::AssertSqlSafe(sql));
        let rows = bind_filter!(query, filter, bound)
            .bind(signed(filter.limit.unwrap_or(u64::MAX)))
            .bind(signed(filter.offset))
            .fetch_all(&self.0.pool)
            .await?;
        rows.iter().map(from_row).collect()
    }

    /// How many requests match, whatever page is asked for.
    pub async fn count(&self, filter: RequestFilter<'_>) -> Result<u64, StoreError> {
        let sql = format!("SELECT COUNT(*) AS matching {MATCHES}");
        let bound = filter.bound();
        let query = sqlx::query(sqlx::AssertSqlSafe(sql));
        let row = bind_filter!(query, filter, bound)
            .fetch_one(&self.0.pool)
            .await?;
        Ok(column::<i64>(&row, "matching")?.unsigned_abs())
    }

    /// The sessions that requests made or added to, by request, in the order of their commits.
    pub async fn sessions_of(
        &self,
        requests: &[i64],
    ) -> Result<HashMap<i64, Vec<Session>>, StoreError> {
        let mut request_to_sessions: HashMap<i64, Vec<Session>> = HashMap::new();
        for ids in requests.chunks(IDS_PER_QUERY) {
            let places: Vec<String> = (1..=ids.len()).map(|n| format!("${n}")).collect();
            let sql = format!(
                "SELECT s.*, c.by_request FROM sessions s JOIN (
                     SELECT request AS by_request, session, MIN(id) AS first FROM commits
                     WHERE request IN ({}) AND finished IS NOT NULL GROUP BY request, session
                 ) c ON c.session = s.id ORDER BY c.first",
                places.join(", ")
            );
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
            for id in ids {
                query = query.bind(*id);
            }
            for row in query.fetch_all(&self.0.pool).await? {
                request_to_sessions
                    .entry(column(&row, "by_request")?)
                    .or_default()
                    .push(sessions::from_row(&row)?);
            }
        }
        Ok(request_to_sessions)
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
