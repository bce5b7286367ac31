import java.lang.reflect.Proxy;
import java.util.Date;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ScheduledFuture;
import org.quartz.CronTrigger;
import org.quartz.Job;
import org.quartz.JobDetail;
import org.quartz.JobExecutionContext;
import org.quartz.JobKey;
import org.quartz.Scheduler;
import org.quartz.SchedulerFactory;
import org.quartz.Trigger;

/** Quartz's cron jobs by the virtual clock: Quartz itself says when a trigger fires, the clock fires it. */
public final class VirtualQuartz {
    private static final Map<JobKey, ScheduledFuture<?>> JOBS = new HashMap<>();
    private static final Scheduler SCHEDULER = (Scheduler) Proxy.newProxyInstance(
        VirtualQuartz.class.getClassLoader(), new Class<?>[] {Scheduler.class}, (self, method, arguments) -> {
            switch (method.getName()) {
                case "scheduleJob":
                    return schedule((JobDetail) arguments[0], (Trigger) arguments[1]);
                case "deleteJob":
                    return delete((JobKey) arguments[0]);
                case "checkExists":
                    return JOBS.containsKey(arguments[0]);
                case "start":
                    return null;
                default:
                    throw new UnsupportedOperationException(method.toString());
            }
        });

    private VirtualQuartz() {
    }

    /** In place of {@code SchedulerFactory.getScheduler}. */
    public static Scheduler scheduler(SchedulerFactory factory) {
        return SCHEDULER;
    }

    private static Date schedule(JobDetail job, Trigger trigger) {
        Date first = new Date(VirtualClock.now() - 1);
        return fireAfter(job, (CronTrigger) trigger, first);
    }

    private static Date fireAfter(JobDetail job, CronTrigger trigger, Date after) {
        Date next = trigger.getFireTimeAfter(after);
        if (next != null) {
            JOBS.put(job.getKey(), VirtualClock.at(next.getTime(), () -> {
                fire(job);
                if (JOBS.containsKey(job.getKey())) {
                    fireAfter(job, trigger, next);
                }
            }));
        }
        return next;
    }

    private static void fire(JobDetail job) {
        JobExecutionContext context = (JobExecutionContext) Proxy.newProxyInstance(
            VirtualQuartz.class.getClassLoader(), new Class<?>[] {JobExecutionContext.class},
            (self, method, arguments) -> {
                if (method.getName().equals("getJobDetail")) {
                    return job;
                }
                throw new UnsupportedOperationException(method.toString());
            });
        try {
            ((Job) job.getJobClass().getDeclaredConstructor().newInstance()).execute(context);
        } catch (ReflectiveOperationException | org.quartz.JobExecutionException failure) {
            Recorder.complain("a cron job failed: " + failure);
        }
    }

    private static boolean delete(JobKey key) {
        ScheduledFuture<?> waiting = JOBS.remove(key);
        if (waiting == null) {
            return false;
        }
        waiting.cancel(false);
        return true;
    }
}
