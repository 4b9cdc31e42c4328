-- A gallery of format 2 as text, in the middle of a move to another bundle; see test_format.py.
PRAGMA application_id = 1312966484;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE attachments (number INTEGER PRIMARY KEY REFERENCES cases (number), waveform BLOB, page BLOB);
INSERT INTO "attachments" VALUES(1,X'77617665',X'70616765');
CREATE TABLE cases (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  case_id TEXT NOT NULL UNIQUE,
  patient_key TEXT, report TEXT NOT NULL, source TEXT NOT NULL,
  age REAL, sex TEXT, site TEXT, device TEXT, recorded TEXT,
  extra TEXT NOT NULL, sha256 BLOB NOT NULL,
  added INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "cases" VALUES(1,'old-1','p1','Sinusrhythmus, frÃ¼her Infarkt','simulated',61.0,'male','a','b','1990-05-31','{"fold": "3"}',X'03C1467C4A710042E7C93E7E72B0E8E741120BA823068768BAEDFAC982A2E61A',1);
INSERT INTO "cases" VALUES(4,'old-3',NULL,'','',NULL,NULL,NULL,NULL,NULL,'{}',X'EC664D77959D028ED284C5FDF5B1922506E38F408E85A4DEA6F1EA2857808EC0',3);
CREATE TABLE ingests (
  fingerprint TEXT PRIMARY KEY, done INTEGER NOT NULL, finished INTEGER NOT NULL, refused TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "ingests" VALUES('stream',3,0,'[["a.csv", "row 3", "no page"]]');
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('bundle_name','old bundle');
INSERT INTO "meta" VALUES('bundle_sha256','0123');
INSERT INTO "meta" VALUES('dim','2');
INSERT INTO "meta" VALUES('next_bundle_name','new bundle');
INSERT INTO "meta" VALUES('next_bundle_sha256','4567');
INSERT INTO "meta" VALUES('next_dim','3');
INSERT INTO "meta" VALUES('simulated','1');
CREATE TABLE next_vectors (
  number INTEGER PRIMARY KEY REFERENCES cases (number), vector BLOB NOT NULL, sha256 BLOB NOT NULL
);
INSERT INTO "next_vectors" VALUES(1,X'00000000000000000000803F',X'CACCB9A8FBD2401135207066C4B53D6E88467839318EA2F1E8BFADF8FEF6844E');
CREATE TABLE retired (case_id_sha256 BLOB PRIMARY KEY) WITHOUT ROWID;
INSERT INTO "retired" VALUES(X'FEAEDCE15852EB933EFA35DD212FF9CDB0986EE029D2426F217175D980C2E72C');
CREATE TABLE state (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  generation INTEGER NOT NULL,
  cache_generation INTEGER, cache_length INTEGER, cache_sha256 TEXT
);
INSERT INTO "state" VALUES(1,4,4,143,'ccedc71f3353c13e759d2f833c1984135ccd7399daaa52f1e4130c89f642576a');
CREATE TABLE statements (
  code TEXT NOT NULL, number INTEGER NOT NULL REFERENCES cases (number),
  position INTEGER NOT NULL, likelihood REAL,
  PRIMARY KEY (number, position)
) WITHOUT ROWID;
INSERT INTO "statements" VALUES('IMI',1,0,80.0);
INSERT INTO "statements" VALUES('SR',1,1,NULL);
CREATE TABLE vectors (
  number INTEGER PRIMARY KEY REFERENCES cases (number), vector BLOB NOT NULL, sha256 BLOB NOT NULL
);
INSERT INTO "vectors" VALUES(1,X'0000803F00000000',X'434B26042AFF3FB844A4C4C6BE0D81A079B0CE84CFB8190679024404E5DC4822');
INSERT INTO "vectors" VALUES(4,X'00000000000080BF',X'950DB61D66A8B18FFBFF0B0CD13A2A2BF38334256220F042FD7930463BCB91F0');
CREATE VIRTUAL TABLE words USING fts5 (report, tokenize = 'unicode61 remove_diacritics 2');
INSERT INTO words (rowid, report) VALUES(1,'sinusrhythmus, fruher infarkt');
INSERT INTO words (rowid, report) VALUES(4,'');
CREATE INDEX cases_age ON cases (age);
CREATE INDEX cases_device ON cases (device);
CREATE INDEX cases_patient ON cases (patient_key);
CREATE INDEX cases_sex ON cases (sex);
CREATE INDEX cases_site ON cases (site);
CREATE INDEX statements_code ON statements (code, number);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('cases',4);
COMMIT;
