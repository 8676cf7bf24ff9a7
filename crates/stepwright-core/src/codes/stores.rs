//! `SW08xx`: stores.

super::entry::catalogue! {
    /// The database cannot be opened, read or written, for a reason that has no code of its own.
    /// The cause is the one of the database.
    STORE_UNAVAILABLE = 801, "the database cannot be used";

    /// Another process has written the next fact of the run, so it drives the run now. This
    /// process stops and records nothing more. Let the other process finish, or stop it before you
    /// resume the run here.
    FACT_TAKEN = 802, "another process has taken over the run";

    /// The store does not have what was asked for, or it belongs to another user.
    NOT_FOUND = 803, "not found in the store";

    /// The journal of a run does not match its checksums: a fact is missing or has been changed.
    /// The run cannot be resumed. Restore the database from a backup.
    ///
    /// ```sh
    /// stepwright verify r-7 --db runs.db
    /// ```
    JOURNAL_DAMAGED = 804, "the journal is damaged";

    /// A row beside the journals is damaged: a session, a plan, or a signal in the inbox. The help
    /// says which row to restore or delete.
    ROW_DAMAGED = 805, "a stored row is damaged";

    /// The file is damaged as a whole. Restore it from a backup, or save the readable part with
    /// `sqlite3 FILE .recover`.
    DATABASE_DAMAGED = 806, "the database is damaged";

    /// There is no such file, and the command only reads; or the path is a directory, or is in a
    /// directory that does not exist. `stepwright run FILE --db DB` creates a database.
    DATABASE_MISSING = 807, "there is no such database";

    /// The file exists and has no bytes. If it had runs, restore a backup; `stepwright run` with
    /// this `--db` starts anew.
    DATABASE_EMPTY = 808, "the database is empty";

    /// This user may not read or write the database, or the directory of its log. For PostgreSQL,
    /// the user lacks a right or the server only reads.
    DATABASE_FORBIDDEN = 809, "no permission for the database";

    /// The file is not a database, or it holds tables of another program. A store has a file, or a
    /// schema, of its own: choose another one.
    DATABASE_FOREIGN = 810, "not a database of Stepwright";

    /// A newer version of Stepwright wrote the database. Nothing was changed. Use that version, or
    /// choose another database.
    DATABASE_NEWER = 811, "the database is from a newer version";

    /// The file of the database was moved, replaced or deleted while it was open. Nothing more was
    /// written. Put the file back with its `-wal` file, and resume the run.
    DATABASE_MOVED = 812, "the database was moved while it was open";

    /// Another program keeps the database or a table locked. Close it, and resume the run.
    DATABASE_LOCKED = 813, "the database is locked";

    /// The disk of the database is full or failed, or the database has reached its `bytes_max`.
    /// Free some space, and resume the run.
    DISK_FULL = 814, "the disk is full or failed";

    /// The server of the database cannot be reached, refuses the connection, or is starting or
    /// stopping. Check host, port and network, and resume the run.
    SERVER_UNREACHABLE = 815, "the database server cannot be reached";

    /// The server refuses the user or the password, or has no such database.
    LOGIN_REFUSED = 816, "the database server refuses the login";

    /// The URL of the database, or the name of its schema, is not valid.
    ///
    /// ```text
    /// postgres://user:password@host:5432/database?sslmode=verify-full
    /// ```
    ADDRESS_INVALID = 817, "the address of the database is not valid";

    /// The value is larger than the database takes at once, or cannot be written as JSON. Let steps
    /// return less, or write it to a file.
    FACT_UNWRITABLE = 818, "a value cannot be stored";

    /// Other processes changed the same run or session again and again, so this change gave up. Try
    /// again.
    STORE_CONTENDED = 819, "too many concurrent changes";

    /// The connection was lost before the server answered, so the change may have been made or not.
    /// Look at the state before you change it again.
    CHANGE_UNKNOWN = 820, "the outcome of a change is unknown";

    /// The row is sealed with a key, which this version cannot open. Use the newer program that
    /// wrote it.
    ROW_SEALED = 821, "a stored row is sealed";

    /// The store was closed, or its writer has stopped. Open it again, and resume the run.
    STORE_CLOSED = 822, "the store is closed";

    /// This program was built without the support for PostgreSQL. Use a file, or build it with the
    /// feature `postgres`.
    STORE_LEFT_OUT = 823, "the program was built without that store";

    /// The user has as many memories as a user may have. Remove some that are not needed any more.
    ///
    /// ```sh
    /// stepwright memories list --user ada --db chat.db
    /// ```
    MEMORIES_FULL = 824, "the user has too many memories";

    /// A fact refers to the bytes of an image, a video, audio or a file by their hash, and they are
    /// not in the store: the run has none, the input names media of another store, or the table of
    /// media is damaged. Media that are a path or an address have no bytes in the run at all.
    ///
    /// Begin the run again with the bytes, or with the path of the file.
    MEDIA_MISSING = 825, "the bytes of media are missing";

    /// A store keeps an image, a video, audio or a file of up to 512 MiB. Keep a larger one
    /// elsewhere, and give the run its path or its address.
    MEDIA_TOO_LARGE = 826, "media are too large for the store";
}
