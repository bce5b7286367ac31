import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.log4j.AppenderSkeleton;
import org.apache.log4j.Level;
import org.apache.log4j.Logger;
import org.apache.log4j.spi.LoggingEvent;

/**
 * Runs cases on real Siddhi: one JSON case a line on standard input, its {@code expected} a line on standard output.
 *
 * A case that does not end is answered with {@code {"hangs": true}}; since nothing can stop its thread, the process ends.
 */
public final class Recorder {
    private static final int SECONDS_MAX = 20;
    private static final int COMPLAINTS_MAX = 50;
    private static final List<String> COMPLAINTS = new ArrayList<>();

    private Recorder() {
    }

    static synchronized void complain(String text) {
        if (COMPLAINTS.size() < COMPLAINTS_MAX) {
            COMPLAINTS.add(text);
        }
    }

    private static void listenToLogs() {
        Logger root = Logger.getRootLogger();
        root.removeAllAppenders();
        root.setLevel(Level.WARN);
        root.addAppender(new AppenderSkeleton() {
            @Override
            protected void append(LoggingEvent event) {
                Throwable cause = event.getThrowableInformation() == null
                    ? null : event.getThrowableInformation().getThrowable();
                String kind = cause == null ? "" : " [" + cause.getClass().getSimpleName() + "]";
                complain(event.getLevel() + " " + event.getRenderedMessage() + kind);
            }

            @Override
            public void close() {
                // nothing is held
            }

            @Override
            public boolean requiresLayout() {
                return false;
            }
        });
    }

    public static void main(String[] none) throws Exception {
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        listenToLogs();
        Gson gson = new GsonBuilder().serializeNulls().disableHtmlEscaping().create();
        ExecutorService worker = Executors.newSingleThreadExecutor(task -> {
            Thread thread = new Thread(task, "cases");
            thread.setDaemon(true);
            return thread;
        });
        BufferedReader cases = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = cases.readLine(); line != null; line = cases.readLine()) {
            JsonObject given = new JsonParser().parse(line).getAsJsonObject();
            COMPLAINTS.clear();
            Future<JsonObject> recorded = worker.submit(() -> new CaseRun(given).expected());
            try {
                JsonObject expected = recorded.get(SECONDS_MAX, TimeUnit.SECONDS);
                JsonArray log = new JsonArray();
                synchronized (Recorder.class) {
                    COMPLAINTS.forEach(log::add);
                }
                if (log.size() > 0) {
                    expected.add("log", log);
                }
                answers.println(gson.toJson((JsonElement) expected));
            } catch (TimeoutException late) {
                answers.println("{\"hangs\": true}");
                Runtime.getRuntime().halt(3);
            }
        }
        Runtime.getRuntime().halt(0);
    }
}
