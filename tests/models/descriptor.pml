/*
 * One descriptor, one direction, for ever: a slot that is opened, waited on, closed and reused; the kernel's edge-triggered
 * queue in front of it; deadlines; the break eventfd; and generations of two bits, so that they wrap every three lives.
 *
 * What loom cannot ask is asked here: whether a parked waiter is woken in the end, in runs without end. Words and names are
 * those of poller/core/src/desc and poller/core/src/poller, and one step here is one atomic operation there. Memory order is not
 * modelled; that is loom's part.
 *
 * MUTANT breaks the protocol in one place; README.md lists them. All actors at once are too many states for an exhaustive
 * search, so a run chooses who takes part beside the owner, one poller and the peer:
 *
 *   SETTER    sets deadlines: past, later, cleared
 *   OUTSIDE   evicts the descriptor without owning it
 *   LATE      a second poller, which holds on to what it has fetched
 *   ERRORS    events that tell of an error alone
 *   BREAKER   breaks the poll for no reason
 *   WHIMS     the waiter changes its waker or drops its future, once a life
 */
#ifndef MUTANT
#define MUTANT 0
#endif

#define NIL 0
#define READY 1
#define WAIT 2
#define PARKED 3
#define WAKING 4
#define WAKING_READY 5

/* ---- the slot (poll_desc.rs, info.rs, word.rs) */
byte word = NIL;
byte cell = 0;                   /* the waker, 1 or 2; 0 is none */
bit cell_used = 0;               /* ghost: somebody is inside of the cell */
byte generation = 1;             /* fdseq, 1 to 3: 0 is never live, it tags the break eventfd */
bit live = 0;
bit locked = 0;                  /* the descriptor's lock */
bit closing = 0, expired = 0, event_err = 0;
bit deadline = 0;                /* one that is yet to come */
byte refs = 0;                   /* of fdMutex: whoever sets a deadline keeps the slot from being freed */

/* ---- the deadline queue, the break, the sleep of the poller */
byte queued = 0;                 /* the generation of the slot's entry, 0 without one */
bit pending = 0, eventfd = 0;
#define AWAKE 0
#define TIMED 1
#define UNLIMITED 2
byte poll_until = AWAKE;

/* ---- the kernel: what epoll holds of the descriptor, and the bytes in its socket */
byte registered = 0;             /* the generation in the epoll data, 0 if it is not registered */
bit edge = 0, edge_err = 0;      /* its entry in the ready list: one, bits merged */
bit bytes = 0;

/* ---- the waiter's wakers, and whether it sleeps */
bit woken[3];
bit asleep = 0;

/* ---- the environment: what ends this life for certain; the others may, once */
#define BY_IO 0
#define BY_DEADLINE 1
#define BY_CLOSE 2
byte goal = BY_IO;
bit sent = 1, set = 1, evicted = 1, errored = 1;

/* ghost: lives since each of the two pollers fetched the event it holds, up to a whole turn of the generations */
#define TURN 3
byte age[2];
bit holds[2];

#define blocked (closing || expired || event_err)

/* Whoever moved the word to WAKING owns the cell. Two steps, so that two owners would meet. */
inline take_cell() {
    atomic { assert(!cell_used); cell_used = 1 }
    atomic { waker = cell; cell = 0; cell_used = 0; assert(waker != 0) }
}

inline finish_waking(to) {
    atomic {
        take = 0;
        if
        :: word == WAKING_READY -> word = READY
        :: word == WAKING -> word = to
        :: else -> assert(MUTANT == 6 || MUTANT == 7)
        fi
    }
}

/* No lock is held while a waker is called. */
inline call() {
    if
    :: waker != 0 -> atomic { woken[waker] = 1; waker = 0 }
    :: else
    fi
}

/* Word::ready */
inline ready() {
    atomic {
        if
        :: word == NIL || word == WAIT -> word = READY
        :: word == PARKED ->
            take = 1;
#if MUTANT == 6
            word = READY
#else
            word = WAKING
#endif
#if MUTANT != 2
        :: word == WAKING -> word = WAKING_READY
#endif
        :: else
        fi
    }
    if
    :: take -> take_cell(); finish_waking(READY)
    :: else
    fi
}

/* Word::unblock: a deadline or close releases a waiter, and leaves readiness alone. */
inline unblock() {
    atomic {
        if
        :: word == WAIT -> word = NIL
        :: word == PARKED -> word = WAKING; take = 1
#if MUTANT == 8
        :: word == READY -> word = NIL
#endif
        :: else
        fi
    }
    if
    :: take -> take_cell(); finish_waking(NIL)
    :: else
    fi
}

/* Desc::evict */
inline evict(condition) {
    atomic {
        !locked ->
        if
        :: condition ->
            locked = 1; held = 1;
            deadline = 0; expired = 0; closing = 1; queued = 0
        :: else
        fi
    }
    if
    :: held -> unblock(); atomic { locked = 0; held = 0 }; call()
    :: else
    fi
}

/* ==== who owns the descriptor, and reads from it */

active proctype Owner() {
    byte me = 1;                 /* the waker it polls with */
    bit claimed = 0, whims = 0, retries = 0;
    byte waker = 0;
    bit take = 0, held = 0;

open:
    atomic {
        /* PollDesc::open, then EPOLL_CTL_ADD: a new file under the old number. */
        assert(generation != 0);
        assert(word == NIL || word == READY);
        live = 1; closing = 0; registered = generation;
        sent = 0;
#ifdef SETTER
        set = 0;
#endif
#ifdef OUTSIDE
        evicted = 0;
#endif
#ifdef ERRORS
        errored = 0;
#endif
#ifdef WHIMS
        whims = 1;
#endif
        retries = 1;
        if
        :: goal = BY_IO
#ifdef SETTER
        :: goal = BY_DEADLINE
#endif
#ifdef OUTSIDE
        :: goal = BY_CLOSE
#endif
        fi
    }

operation:
    /* Reset, try, and only then wait. */
    if
    :: blocked -> goto ended
    :: else
    fi;
#if MUTANT == 9
    if
    :: atomic { bytes -> bytes = 0; goto close }
    :: else
    fi;
#endif
    atomic {
        if
        :: word == READY -> word = NIL
        :: else
        fi
    }
#if MUTANT != 9
    if
    :: atomic { bytes -> bytes = 0; goto close }
    :: else
    fi;
#endif
    if
    :: blocked -> goto ended
    :: else
    fi;

poll:
    if
    :: atomic { word == READY -> word = NIL; claimed = 0 }; goto operation
    :: word == NIL ->
        if
        :: claimed && blocked -> claimed = 0; goto ended
        :: else
        fi;
        atomic {
            if
            :: word == NIL -> word = WAIT; claimed = 1
            :: else -> goto poll
            fi
        }
#if MUTANT != 1
        if
        :: blocked ->
            atomic {
                if
                :: word == WAIT -> word = NIL; claimed = 0; goto ended
                :: word == READY -> goto poll
                :: else -> claimed = 0; goto ended
                fi
            }
        :: else
        fi
#endif
    :: atomic { word == PARKED -> word = WAIT }
    :: word == WAKING || word == WAKING_READY ->
        /* Somebody is taking our waker out: wait for the few instructions. */
        word != WAKING && word != WAKING_READY;
        goto poll
    fi;
    /* In WAIT the cell is ours. */
    atomic { assert(!cell_used); cell_used = 1 }
    atomic { cell = me; cell_used = 0 }
    atomic {
        if
        :: word == WAIT -> word = PARKED; asleep = 1
        :: else -> cell = 0; goto poll
        fi
    }
    if
    :: atomic { woken[me] -> woken[me] = 0; asleep = 0; goto poll }
#ifdef WHIMS
    :: atomic { whims -> whims = 0; asleep = 0; me = 2; goto poll }
    :: atomic { whims -> whims = 0; asleep = 0; goto drop }
#endif
    fi;

drop:
    /* Word::cancel, and another wait, without another try: its caller has had an EAGAIN. */
    atomic {
        claimed = 0;
        if
        :: word == PARKED -> word = WAKING; take = 1
#if MUTANT == 3
        :: word == READY -> word = NIL
#endif
        :: else
        fi
    }
    if
    :: take -> take_cell(); waker = 0; finish_waking(NIL)
    :: else
    fi;
    if
    :: blocked -> goto ended
    :: else -> goto poll
    fi;

ended:
    if
    :: atomic { !closing && retries -> retries = 0; goto operation }
    :: true
    fi;

close:
    claimed = 0;
    evict(!closing);
    /* The last reference frees. EPOLL_CTL_DEL takes a queued event along; close(2) comes after it. */
    atomic { refs == 0 -> registered = 0; edge = 0; edge_err = 0; bytes = 0 }
    /* PollDesc::free */
    atomic {
        !locked -> locked = 1; live = 0; event_err = 0;
#if MUTANT == 5
        generation = (generation + 1) % (TURN + 1);
#elif MUTANT != 10
        generation = generation % TURN + 1;
#endif
        if
        :: holds[0] && age[0] < TURN -> age[0]++
        :: else
        fi;
        if
        :: holds[1] && age[1] < TURN -> age[1]++
        :: else
        fi
    }
    /* Word::recycle: another poller may just be taking a waker out. */
    atomic {
#if MUTANT == 7
        assert(word != WAIT && word != PARKED);
#else
        word == NIL || word == READY ->
#endif
        word = NIL; locked = 0
    }
    atomic { woken[1] = 0; woken[2] = 0; me = 1; sent = 1; set = 1; evicted = 1; errored = 1; goto open }
}

/* ==== who polls */

inline fetch(id) {
    its_tag = registered; err = edge_err; edge = 0; edge_err = 0;
    holds[id] = 1
}

/* dispatch_event. The check of the generation and the edge are not one step, so a slot that is freed in between gives its
 * next life a spurious edge (semantics 26). An error it never gets, or only after a whole turn of the generations. */
inline dispatch(id) {
    if
#if MUTANT == 4
    :: true ->
#else
    :: live && generation == its_tag ->
#endif
        atomic {
            if
            :: generation == its_tag || MUTANT == 4 ->
                assert(!err || age[id] == 0 || age[id] == TURN);
                event_err = (live && err)
            :: else
            fi
        }
        ready()
    :: else
    fi;
    atomic { err = 0; its_tag = 0; holds[id] = 0; age[id] = 0 }
    call()
}

/* The blocking poller. */
active proctype Poller() {
    byte its_tag = 0, waker = 0;
    bit err = 0, take = 0, broken = 0, held = 0;
    do
    :: /* publish_sleep: that it sleeps, then the deadlines. */
#if MUTANT == 11
        if
        :: queued -> poll_until = TIMED
        :: else -> skip; poll_until = UNLIMITED
        fi;
#else
        poll_until = UNLIMITED;
        if
        :: queued -> poll_until = TIMED
        :: else
        fi;
#endif
        atomic {
            edge || eventfd || poll_until == TIMED ->
            broken = eventfd;
            if
            :: edge -> fetch(0)
            :: else
            fi
        }
        poll_until = AWAKE;
        if
        :: broken ->
#if MUTANT == 12
            pending = 0; atomic { eventfd = 0; broken = 0 }
#else
            eventfd = 0; atomic { pending = 0; broken = 0 }
#endif
        :: else
        fi;
        if
        :: its_tag -> dispatch(0)
        :: else
        fi;
#ifdef SETTER
        /* Time passes as it likes: what is queued now is due. */
        if
        :: atomic { queued -> its_tag = queued; queued = 0 }
            /* fire_one */
            atomic {
                !locked ->
                if
                :: live && generation == its_tag && !closing && deadline ->
                    locked = 1; held = 1; deadline = 0; expired = 1
                :: else
                fi;
                its_tag = 0
            }
            if
            :: held -> unblock(); atomic { locked = 0; held = 0 }; call()
            :: else
            fi
        :: else
        fi
#endif
    od
}

#ifdef LATE
/* Another one that does not block, and holds on to what it has fetched for as long as it likes. */
active proctype Late() {
    byte its_tag = 0, waker = 0;
    bit err = 0, take = 0;
    do
    :: atomic { edge -> fetch(1) }
        dispatch(1)
    od
}
#endif

/* ==== what happens to the descriptor */

active proctype Peer() {
    do
    :: atomic {
            !sent -> sent = 1;
            if
            :: registered -> bytes = 1; edge = 1; edge_err = 0
            :: goal != BY_IO || !registered
            fi
        }
#ifdef ERRORS
    :: atomic {
            !errored -> errored = 1;
            if
            :: registered && !edge -> edge = 1; edge_err = 1
            :: true
            fi
        }
#endif
    od
}

#if defined(SETTER) || defined(BREAKER)
/* BreakSignal::request: one write for any number of requests. */
inline request_break() {
    atomic { first = !pending; pending = 1 }
    if
    :: first -> atomic { eventfd = 1; first = 0 }
    :: else
    fi
}
#endif

#ifdef SETTER
/* Shared::set_deadline */
inline set_past() {
    atomic {
        !locked ->
        if
        :: !closing -> locked = 1; held = 1; deadline = 0; expired = 1
        :: else
        fi
    }
    if
    :: held -> unblock(); atomic { locked = 0; held = 0 }; call()
    :: else
    fi
}

inline set_later() {
    atomic {
        !locked ->
        if
        :: !closing -> locked = 1; held = 1; deadline = 1; expired = 0
        :: else
        fi
    }
    if
    :: held ->
        atomic { first = !queued; queued = generation; locked = 0; held = 0 }
        /* deadline_moved_earlier */
        if
        :: first && poll_until == UNLIMITED -> request_break()
        :: else -> first = 0
        fi
    :: else
    fi
}

inline clear() {
    atomic {
        !locked ->
        if
        :: !closing -> deadline = 0; expired = 0
        :: else
        fi
    }
}

active proctype Setter() {
    byte waker = 0;
    bit take = 0, held = 0, first = 0;
    do
    :: atomic { !set && live && !closing -> set = 1; refs = 1 }
        if
        :: set_past(); clear()
        :: set_later(); clear()
        :: true
        fi;
        if
        :: goal == BY_DEADLINE ->
            if
            :: set_past()
            :: set_later()
            fi
        :: else
        fi;
        refs = 0
    od
}
#endif

#ifdef OUTSIDE
/* Evicts from outside, as the inspector does: without a reference, so it looks under the lock whether it is still the same. */
active proctype Outside() {
    byte its_tag = 0, waker = 0;
    bit take = 0, held = 0;
    do
    :: atomic {
            !evicted && live -> evicted = 1;
            if
            :: its_tag = generation
            :: goal != BY_CLOSE
            fi
        }
        if
        :: its_tag -> evict(live && generation == its_tag && !closing); its_tag = 0
        :: else
        fi
    od
}
#endif

#ifdef BREAKER
/* A break for nobody in particular: coalesced with that of a deadline. */
active proctype Breaker() {
    bit first = 0;
    do
    :: !pending -> request_break()
    od
}
#endif

/* A parked waiter is woken in the end, whatever releases it. */
ltl parked_is_woken { [] (asleep -> <> !asleep) }
/* And every life ends, so that nobody spins for ever either. */
ltl lives_go_on { ([] <> live) && ([] <> !live) }
