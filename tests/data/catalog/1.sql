-- A catalog of schema 1, as the program of that time made it, and what is in it.
CREATE TABLE accounts (
  server TEXT PRIMARY KEY, url TEXT NOT NULL, contacts TEXT NOT NULL, terms_agreed_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE certificates (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, names TEXT NOT NULL, server TEXT NOT NULL,
  key_type TEXT NOT NULL, method TEXT NOT NULL, webroots TEXT NOT NULL, preferred_chain TEXT NOT NULL,
  in_nginx INTEGER NOT NULL, version INTEGER NOT NULL, not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL, renew_at INTEGER NOT NULL, fingerprint TEXT NOT NULL,
  failures INTEGER NOT NULL, last_error TEXT NOT NULL, last_attempt INTEGER NOT NULL,
  next_attempt INTEGER NOT NULL
);
CREATE INDEX certificates_by_renewal ON certificates (renew_at);
CREATE TABLE versions (
  certificate_id INTEGER NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL,
  order_url TEXT NOT NULL, not_before INTEGER NOT NULL, not_after INTEGER NOT NULL,
  fingerprint TEXT NOT NULL, PRIMARY KEY (certificate_id, number)
) WITHOUT ROWID;
CREATE INDEX versions_unfinished ON versions (certificate_id) WHERE state IN ('pending', 'ready');
CREATE TABLE changes (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, state TEXT NOT NULL, summary TEXT NOT NULL
);
CREATE TABLE change_files (
  id INTEGER PRIMARY KEY, change_id INTEGER NOT NULL, path TEXT NOT NULL, before BLOB,
  after BLOB
);
CREATE INDEX change_files_by_change ON change_files (change_id);
CREATE TABLE events (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL
);

INSERT INTO accounts (server, url, contacts, terms_agreed_at)
  VALUES ('https://ca.example/directory', 'https://ca.example/acct/1', '["x@example.com"]', 1800000000);
INSERT INTO certificates (id, name, names, server, key_type, method, webroots, preferred_chain,
  in_nginx, version, not_before, not_after, renew_at, fingerprint, failures, last_error,
  last_attempt, next_attempt)
  VALUES (1, 'a.example', '["a.example","www.a.example"]', 'https://ca.example/directory',
  'ecdsa-p256', 'nginx', '[]', '', 1, 2, 1800000000, 1807776000, 1805184000, 'f00d', 0, '',
  1800000000, 0);
INSERT INTO versions (certificate_id, number, state, order_url, not_before, not_after, fingerprint)
  VALUES (1, 1, 'old', '', 1792224000, 1800000000, 'beef'),
  (1, 2, 'live', '', 1800000000, 1807776000, 'f00d');
INSERT INTO changes (id, at, state, summary) VALUES (1, 1792224000, 'applied', 'secure a.example');
INSERT INTO change_files (id, change_id, path, before, after)
  VALUES (1, 1, '/etc/nginx/nginx.conf', 'before', 'after');
INSERT INTO events (id, at, subject, text) VALUES (1, 1800000000, 'a.example', 'version 2');
PRAGMA user_version = 1;
