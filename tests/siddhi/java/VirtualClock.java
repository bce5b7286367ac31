import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import java.util.concurrent.AbstractExecutorService;
import java.util.concurrent.Callable;
import java.util.concurrent.Delayed;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;

/** The time that Siddhi sees, and the timers that wait for it. All of it happens in the thread that moves the clock. */
public final class VirtualClock {
    private static final PriorityQueue<Timer> TIMERS = new PriorityQueue<>();
    private static long nowMs;
    private static long made;

    private VirtualClock() {
    }

    public static synchronized long now() {
        return nowMs;
    }

    /** A new case: no timers, and this time. */
    public static synchronized void begin(long startMs) {
        TIMERS.clear();
        nowMs = startMs;
    }

    /** Time passes: timers that fall due on the way fire at their own times, those due at the end, too. */
    public static void moveTo(long timeMs) {
        for (Timer due = takeDue(timeMs); due != null; due = takeDue(timeMs)) {
            due.fire();
        }
        synchronized (VirtualClock.class) {
            nowMs = Math.max(nowMs, timeMs);
        }
    }

    private static synchronized Timer takeDue(long timeMs) {
        Timer next = TIMERS.peek();
        if (next == null || next.atMs > timeMs) {
            return null;
        }
        TIMERS.remove();
        nowMs = Math.max(nowMs, next.atMs);
        return next;
    }

    private static synchronized Timer add(Timer timer) {
        timer.number = made++;
        TIMERS.add(timer);
        return timer;
    }

    private static synchronized boolean drop(Timer timer) {
        return TIMERS.remove(timer);
    }

    /** In place of {@code Executors.newScheduledThreadPool}. */
    public static ScheduledExecutorService executor(int threads) {
        return new VirtualExecutor();
    }

    /** In place of {@code Executors.newScheduledThreadPool}. */
    public static ScheduledExecutorService executor(int threads, ThreadFactory factory) {
        return new VirtualExecutor();
    }

    /** In place of {@code Executors.newSingleThreadExecutor}: what is given to it is done at once. */
    public static ExecutorService atOnce() {
        return new VirtualExecutor();
    }

    /** Runs something at a time. */
    public static ScheduledFuture<?> at(long timeMs, Runnable what) {
        return add(new Timer(what, null, timeMs, 0, false, null));
    }

    private static final class Timer extends FutureTask<Object> implements ScheduledFuture<Object> {
        private final VirtualExecutor owner;
        private final Runnable again;
        private final long periodMs;
        private final boolean fromTheEnd;
        private long atMs;
        private long number;

        Timer(Runnable what, Callable<?> asked, long atMs, long periodMs, boolean fromTheEnd, VirtualExecutor owner) {
            super(asked == null ? () -> {
                what.run();
                return null;
            } : asked::call);
            this.again = what;
            this.atMs = atMs;
            this.periodMs = periodMs;
            this.fromTheEnd = fromTheEnd;
            this.owner = owner;
        }

        void fire() {
            if (owner != null && owner.stopped) {
                return;
            }
            if (periodMs <= 0) {
                run();
                try {
                    get();
                } catch (ExecutionException | InterruptedException failure) {
                    Recorder.complain("a timer failed: " + failure.getCause());
                }
            } else if (runAndReset()) {
                atMs = (fromTheEnd ? now() : atMs) + periodMs;
                add(this);
            }
        }

        @Override
        public boolean cancel(boolean interrupts) {
            drop(this);
            return super.cancel(interrupts);
        }

        @Override
        public long getDelay(TimeUnit unit) {
            return unit.convert(atMs - now(), TimeUnit.MILLISECONDS);
        }

        @Override
        public int compareTo(Delayed other) {
            Timer that = (Timer) other;
            return atMs != that.atMs ? Long.compare(atMs, that.atMs) : Long.compare(number, that.number);
        }

        @Override
        public boolean equals(Object other) {
            return this == other;
        }

        @Override
        public int hashCode() {
            return System.identityHashCode(this);
        }
    }

    /** What is scheduled waits for the virtual clock; what is to be done at once is done at once. */
    private static final class VirtualExecutor extends AbstractExecutorService implements ScheduledExecutorService {
        private volatile boolean stopped;

        private long after(long delay, TimeUnit unit) {
            return now() + Math.max(0, unit.toMillis(delay));
        }

        @Override
        public ScheduledFuture<?> schedule(Runnable what, long delay, TimeUnit unit) {
            return add(new Timer(what, null, after(delay, unit), 0, false, this));
        }

        @Override
        @SuppressWarnings("unchecked")
        public <V> ScheduledFuture<V> schedule(Callable<V> what, long delay, TimeUnit unit) {
            return (ScheduledFuture<V>) add(new Timer(null, what, after(delay, unit), 0, false, this));
        }

        @Override
        public ScheduledFuture<?> scheduleAtFixedRate(Runnable what, long first, long period, TimeUnit unit) {
            return add(new Timer(what, null, after(first, unit), unit.toMillis(period), false, this));
        }

        @Override
        public ScheduledFuture<?> scheduleWithFixedDelay(Runnable what, long first, long delay, TimeUnit unit) {
            return add(new Timer(what, null, after(first, unit), unit.toMillis(delay), true, this));
        }

        @Override
        public void execute(Runnable what) {
            what.run();
        }

        @Override
        public void shutdown() {
            stopped = true;
        }

        @Override
        public List<Runnable> shutdownNow() {
            stopped = true;
            return new ArrayList<>();
        }

        @Override
        public boolean isShutdown() {
            return stopped;
        }

        @Override
        public boolean isTerminated() {
            return stopped;
        }

        @Override
        public boolean awaitTermination(long timeout, TimeUnit unit) {
            return true;
        }
    }
}
