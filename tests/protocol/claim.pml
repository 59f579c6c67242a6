/* The claim protocol of one row of memory_jobs, as a model for spin: two memoirds that die, are cut off from
 * the database, drain and come back; a worker of the library beside them; a server that crashes and loses
 * what was committed without waiting for the disk; a last host without faults, which finishes what is left.
 * docs/architecture.md, "Claims", has the rules. `scripts/check-model` runs it, and runs it once more with each
 * rule of BREAK_… broken, which has to be found.
 *
 * Checked, in every interleaving:
 *   - effects apply once;
 *   - whoever lost the claim changes nothing;
 *   - an attempt is only counted for a failure or a death that took place, a death in a drain excepted;
 *   - a job that kills its holders ends as failed after max_attempts of them;
 *   - a process that has drained holds nothing, and begins nothing once the drain has begun;
 *   - in the end the row is gone or failed: it is never stuck.
 *
 * Three runs keep the search small: two hosts with faults; with SERVER_CRASHES one of them and a server that
 * crashes; with LIBRARY one of them and a worker of the library.
 *
 * The lease of a process (worker.renew = "process") and the leases of rows are one here: what a live host holds
 * counts as renewed, and what carries its number without being held is released by its heartbeat.
 *
 * Left out: time. A lease is over when the second look of a recovery sees the claim that the first one saw,
 * and every live host that can reach the database has renewed between the two (two looks are a heartbeat
 * apart). Rows are alone; fan_in.pml has two siblings.
 */

#define MAX_ATTEMPTS 2
#define CLAIMS(host) (3 - host)   /* of the hosts that may fail: 2 and 1 */
#define LAST 3     /* the host without faults */

#if defined(SERVER_CRASHES) || defined(LIBRARY)
#define TWO_HOSTS false
#else
#define TWO_HOSTS true
#endif

mtype = { pending, claimed, parked, failed, gone };

/* Two sets of the same: what the server shows, and what would be left after a crash of it. */
typedef Row {
    mtype state;
    byte owner;     /* 0: none; host * 8 + number of the claim */
    byte attempts;
    bool suspect;
    byte effects;   /* the effects' rows, in the same database */
};
Row row, disk;

byte renewals;      /* bumped by each renewal; a look compares it */
bool looked;        /* recovery's first look; an outage of its own makes it void */
bool alive[4], reachable[4], draining[4], beaten[4];
byte held[4];       /* the claim that a host holds; 0: none */
bool was_cut[4];    /* once at most, and the first host alone: `renewals` must not come round */
byte earned;        /* attempts that were earned: deaths with the job in hand, failures of the job */
byte deaths;        /* of this job's holders */
bool server_crashed, server_calm = true;
bool poison;        /* the job kills whoever works on it */
bool chaos = true;  /* faults take place */

inline copy(to, from) {
    to.state = from.state; to.owner = from.owner; to.attempts = from.attempts;
    to.suspect = from.suspect; to.effects = from.effects
}
inline wait_for_disk() { copy(disk, row) }
/* Commits that do not wait for the disk reach it at some time, or are lost in a crash. */
inline disk_may_follow() {
#ifdef SERVER_CRASHES
    if :: copy(disk, row) :: skip fi
#else
    skip
#endif
}

/* The fence of every settle. Without the rule a settle looks at id and state only. */
#ifdef BREAK_FENCE
#define OURS(claim) (row.state == claimed)
#else
#define OURS(claim) (row.state == claimed && row.owner == claim)
#endif
inline changes_as(claim) { assert(row.owner == claim) }

inline back_to_pending() { row.state = pending; row.owner = 0 }

/* Ends a claim; `answered` is drawn by the caller: an answer that was lost is asked after with a look. */
inline complete(claim, stood) {
    atomic {
        if
        :: OURS(claim) ->
            changes_as(claim);
            row.state = gone; row.owner = 0; row.effects++;
            assert(row.effects <= 1);
            stood = true
#ifdef BREAK_ONE_TRANSACTION
            /* The effects are on disk, the removal of the row is not. */
            ; disk.effects = row.effects
#else
            /* Paid work waits for the disk; of work that is free to repeat effects and removal vanish together. */
            ; disk_may_follow()
#endif
        :: else -> stood = false
        fi
    }
}
inline release(claim) {
    atomic { if :: OURS(claim) -> changes_as(claim); back_to_pending(); disk_may_follow() :: else fi }
}
inline retry_later(claim) {
    atomic {
        if
        :: OURS(claim) ->
            changes_as(claim);
            earned++;
            row.attempts++;
            row.suspect = false;
            if
            :: row.attempts >= MAX_ATTEMPTS -> row.state = failed; row.owner = 0; wait_for_disk()
            :: else -> row.state = parked; row.owner = 0; disk_may_follow()
            fi
        :: else
        fi
    }
}

/* A claim and what comes of it. `faulty`: whether this host has faults. */
inline work(me, number, faulty) {
    mine = me * 8 + number;
    atomic {
        got = (row.state == pending && !(row.suspect && held[me]));
        if
        :: got ->
            assert(deaths < MAX_ATTEMPTS || server_crashed);
            row.state = claimed; row.owner = mine; held[me] = mine; disk_may_follow()
        :: else
        fi
    }
    /* The answer may be lost: the rows that carry the claim's number are looked for. */
    atomic {
        got = got && row.state == claimed && row.owner == mine;
        late = draining[me];
        if :: !got -> held[me] = 0 :: else fi
    }
    if
#ifndef BREAK_DRAIN
    :: got && late -> release(mine)
    :: got && !late ->
#else
    :: got ->
#endif
        assert(!late);                                 /* what arrives in a drain is not begun */
        do
        :: poison && faulty && chaos -> goto died      /* it takes its holder with it */
        :: poison && !(faulty && chaos) -> retry_later(mine); break
        :: faulty && chaos -> goto died                /* killed, for no fault of the job */
        :: !poison && faulty && chaos -> retry_later(mine); break
        :: !poison ->
            complete(mine, stood);
            if
            :: faulty && chaos && stood ->             /* the answer of the commit is lost: look, then again */
                complete(mine, stood)
            :: else
            fi;
            break
        :: faulty && draining[me] -> release(mine); break
        :: row.owner != mine -> break                  /* a heartbeat found the claim gone */
        od
    :: else
    fi;
    atomic { held[me] = 0; got = false; late = false }
}

proctype host(byte me) {
    byte mine, number = 1;
    bool got, stood, late;
    do
    :: number <= CLAIMS(me) && !draining[me] -> work(me, number, true); number++
    :: me != 1 && number > CLAIMS(me) -> draining[me] = true
    :: draining[me] -> break
    od;
    /* A crash may bring a claim back whose release it lost: recovery finds it. */
    atomic { assert(!(row.state == claimed && row.owner / 8 == me) || server_crashed); alive[me] = false; reachable[me] = false }
    goto over;
died:
    atomic {
        alive[me] = false; reachable[me] = false; held[me] = 0;
        if
        :: row.state == claimed && row.owner == mine && !draining[me] -> earned++; deaths++
        :: else
        fi
    }
over:
    skip
}

/* Its heartbeat: every live host that reaches the database renews what it holds; recovery's second look waits
 * for it. A host that is cut off does not, and is not healthy enough to recover anything itself. */
proctype heartbeat(byte me) {
    do
    :: atomic { alive[me] && reachable[me] && !beaten[me] ->
        if
        :: row.state == claimed && row.owner == held[me] && held[me] -> renewals = (renewals + 1) % 4
        :: row.state == claimed && row.owner / 8 == me && row.owner != held[me] ->
            back_to_pending()        /* a crash undid the end of an earlier claim: released, no attempt */
        :: else
        fi;
        beaten[me] = true }
    :: atomic { me == 1 && chaos && !was_cut[me] && alive[me] && reachable[me] -> reachable[me] = false; was_cut[me] = true }
    :: atomic { me == 1 && alive[me] && !draining[me] -> draining[me] = true }   /* SIGTERM, at any time */
    :: atomic { alive[me] && !reachable[me] -> reachable[me] = true; beaten[me] = false }
    :: !alive[me] -> break
    od
}

#define BEAT(h) (!alive[h] || !reachable[h] || beaten[h])

/* Recovery, by the host without faults. A claim of a host that is alive but cut off may be taken: its holder
 * cancels the job itself by then, and the fence stops what it does all the same; that costs an attempt. */
proctype recovery() {
    byte seen, at;
    do
    :: atomic { row.state == claimed && row.owner / 8 != LAST && row.owner / 8 != 0 && !looked ->
        seen = row.owner; at = renewals; looked = true; beaten[1] = false; beaten[2] = false }
#ifdef BREAK_TWO_LOOKS
    :: atomic { looked ->
#else
    :: atomic { looked && BEAT(1) && BEAT(2) ->
#endif
        looked = false;
        if
        :: row.state == claimed && row.owner == seen && at == renewals ->
            assert(!(alive[seen / 8] && reachable[seen / 8]));
            if
            :: alive[seen / 8] -> earned++   /* cut off for a lease: the attempt is the host's */
            :: else
            fi;
            if
            :: draining[seen / 8] -> skip    /* its host row says since when it drained: no attempt */
            :: else ->
#ifndef BREAK_SUSPECT
                row.attempts++;
#endif
                row.suspect = true
            fi;
            assert(row.attempts <= earned);
            if
            :: row.attempts >= MAX_ATTEMPTS -> row.state = failed; row.owner = 0; wait_for_disk()
            :: else -> back_to_pending()
            fi
        :: else
        fi }
    :: atomic { row.state == parked -> row.state = pending }
    :: (row.state == gone || row.state == failed) && server_calm -> break
    od
}

/* A worker of the library: it claims under a name of its own, never renews, and settles by id and state. It is
 * the one that a row may be taken away from; what memoirds change stays fenced. */
proctype library() {
    bool got;
    atomic { got = (row.state == pending); if :: got -> row.state = claimed; row.owner = 7 :: else fi }
    if
    :: got ->
        if
        :: atomic { row.state == claimed && row.owner == 7 -> row.state = gone; row.owner = 0; wait_for_disk() }
        :: atomic { row.state == claimed && row.owner == 7 -> back_to_pending() }  /* foreign_lease is over */
        :: atomic { row.state != claimed || row.owner != 7 -> skip }
        fi
    :: else
    fi
}

/* The server may crash once, and loses what is not on disk. */
proctype server() {
    if
    :: atomic { chaos -> server_crashed = true; copy(row, disk); looked = false }
    :: skip
    fi;
    server_calm = true
}

/* Faults come to an end; then the last host is there, and the row has to come to its end. */
proctype last() {
    byte mine, number = 1;
    bool got, stood, late;
    atomic { !alive[1] && !alive[2] -> chaos = false }
    do
    :: row.state == pending -> work(LAST, (number % 7) + 1, false); number = (number + 1) % 7
    :: (row.state == gone || row.state == failed) && server_calm -> break
    od;
died:
    assert(row.state == gone || row.state == failed);
    assert(deaths <= MAX_ATTEMPTS);
    alive[LAST] = false
}

init {
    atomic {
        row.state = pending; wait_for_disk();
        alive[1] = true; alive[2] = true; alive[LAST] = true;
        reachable[1] = true; reachable[2] = true; reachable[LAST] = true;
        if :: poison = true :: poison = false fi;
        run host(1); run heartbeat(1);
        if :: TWO_HOSTS -> run host(2); run heartbeat(2) :: else -> alive[2] = false; reachable[2] = false fi;
#ifdef SERVER_CRASHES
        server_calm = false; run server();
#endif
#ifdef LIBRARY
        run library();
#endif
        run recovery(); run last()
    }
}
