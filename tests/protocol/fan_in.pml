/* The fan-in: extract and relational_extract of one source end at the same time, on two hosts or loops; the
 * later of the two enqueues one synthesize. docs/architecture.md, "Fan-in", has the rules.
 *
 * Checked, in every interleaving of the statements of READ COMMITTED transactions: exactly one synthesize is
 * enqueued. With LIBRARY the sibling is a worker of the library, which looks while its own row is still there
 * and takes no lock: the sweep over staged triples has to repair what it loses.
 */

bool lock_taken;                 /* of the source's row in memories */
bool there[2] = true;            /* the siblings' rows, as committed */
byte synthesize;                 /* rows enqueued, as committed */
byte ended;

inline lock_source() { atomic { !lock_taken -> lock_taken = true } }
inline unlock_source() { lock_taken = false }

/* A memoird's settle: three statements, the look after the lock is held. A deletion shows to others at the
 * commit, and to the own transaction at once. */
proctype memoird(byte me) {
    bool alone;
#ifdef BREAK_LOOK_FIRST
    alone = !there[1 - me];      /* one statement: its snapshot is older than the lock */
    lock_source();
#else
    lock_source();
    alone = !there[1 - me];
#endif
    atomic {                     /* commit */
        there[me] = false;
        if :: alone && synthesize == 0 -> synthesize++ :: else fi;
        unlock_source()
    }
    ended++
}

/* The library's worker looks while its own row is still there, and then completes. */
proctype library(byte me) {
    bool alone;
    alone = !there[1 - me];
    if :: alone -> atomic { if :: synthesize == 0 -> synthesize++ :: else fi } :: else fi;
    there[me] = false;
    ended++
}

/* The sweep over staged triples: by the same three steps under the source's lock. */
proctype sweep() {
    bool alone;
    ended == 2;
    lock_source();
    alone = !there[0] && !there[1];
    atomic { if :: alone && synthesize == 0 -> synthesize++ :: else fi; unlock_source() }
    assert(synthesize == 1)
}

init {
    atomic {
        run memoird(0);
#ifdef LIBRARY
        run library(1);
        run sweep()
#else
        run memoird(1)
#endif
    };
    ended == 2;
#ifndef LIBRARY
    assert(synthesize == 1)
#endif
}
