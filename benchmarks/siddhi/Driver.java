import io.siddhi.core.SiddhiAppRuntime;
import io.siddhi.core.SiddhiManager;
import io.siddhi.core.event.Event;
import io.siddhi.core.stream.input.InputHandler;
import io.siddhi.core.stream.output.StreamCallback;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;

/**
 * Feeds a real Siddhi app with generated events and prints one JSON object with the events per second of each round.
 *
 * Arguments: app file, input streams (comma separated), output streams (comma separated, may be empty), SPEC, events per
 * round, batch, warm-up rounds, rounds, clock (live|playback), dt in ms, seed, what to do with outputs (count|sum), a
 * question asked at the end whose rows are added to rows and sum (may be empty). The generator is that of
 * benchmarks/generated.py, number for number.
 */
public final class Driver {
    private static final long GOLDEN = 0x9E3779B97F4A7C15L;
    private static final long T0 = 1_600_000_000_000L;

    private interface Generator {
        Object value(long row, long random, long timestamp);
    }

    private static final class Counter extends StreamCallback {
        final boolean sums;
        long rows;
        double sum;

        Counter(boolean sums) {
            this.sums = sums;
        }

        @Override
        public void receive(Event[] events) {
            rows += events.length;
            if (sums) {
                add(events);
            }
        }

        /** A callback of its own, as Siddhi wants one for each stream, that counts into this one. */
        StreamCallback sharing() {
            Counter total = this;
            return new StreamCallback() {
                @Override
                public void receive(Event[] events) {
                    total.receive(events);
                }
            };
        }

        void add(Event[] events) {
            for (Event event : events) {
                for (Object value : event.getData()) {
                    if (value instanceof Number) {
                        sum += ((Number) value).doubleValue();
                    }
                }
            }
        }
    }

    private static long splitmix64(long state) {
        long z = state;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    private static double unit(long random) {
        return (random >>> 11) * 0x1.0p-53;
    }

    private static Generator parse(String item) {
        String name = item.contains("(") ? item.substring(0, item.indexOf('(')) : item;
        String[] arguments = item.contains("(")
            ? item.substring(item.indexOf('(') + 1, item.indexOf(')')).split(",") : new String[0];
        switch (name.trim()) {
            case "sym": {
                long count = Long.parseLong(arguments[0].trim());
                String[] texts = new String[(int) count];
                for (int i = 0; i < count; i++) {
                    texts[i] = "S" + i;
                }
                return (row, random, time) -> texts[(int) Long.remainderUnsigned(random, count)];
            }
            case "int": {
                long low = Long.parseLong(arguments[0].trim());
                long span = Long.parseLong(arguments[1].trim()) - low + 1;
                return (row, random, time) -> (int) (low + Long.remainderUnsigned(random, span));
            }
            case "long": {
                long low = Long.parseLong(arguments[0].trim());
                long span = Long.parseLong(arguments[1].trim()) - low + 1;
                return (row, random, time) -> low + Long.remainderUnsigned(random, span);
            }
            case "float": {
                double low = Double.parseDouble(arguments[0].trim());
                double high = Double.parseDouble(arguments[1].trim());
                return (row, random, time) -> (float) (low + (high - low) * unit(random));
            }
            case "double": {
                double low = Double.parseDouble(arguments[0].trim());
                double high = Double.parseDouble(arguments[1].trim());
                return (row, random, time) -> low + (high - low) * unit(random);
            }
            case "bool": {
                double share = Double.parseDouble(arguments[0].trim());
                return (row, random, time) -> unit(random) < share;
            }
            case "seq":
                return (row, random, time) -> row;
            case "ts":
                return (row, random, time) -> time;
            default:
                throw new IllegalArgumentException("unknown generator: " + item);
        }
    }

    public static void main(String[] arguments) throws Exception {
        String app = new String(Files.readAllBytes(Paths.get(arguments[0])));
        String[] inputs = arguments[1].split(",");
        String[] outputs = arguments[2].isEmpty() ? new String[0] : arguments[2].split(",");
        String[] items = arguments[3].split(";");
        int events = Integer.parseInt(arguments[4]);
        int batch = Integer.parseInt(arguments[5]);
        int warmups = Integer.parseInt(arguments[6]);
        int rounds = Integer.parseInt(arguments[7]);
        boolean playback = arguments[8].equals("playback");
        double dt = Double.parseDouble(arguments[9]);
        long seed = Long.parseLong(arguments[10]);
        String question = arguments[12];

        Generator[] generators = new Generator[items.length];
        for (int j = 0; j < items.length; j++) {
            generators[j] = parse(items[j].trim());
        }
        SiddhiManager manager = new SiddhiManager();
        SiddhiAppRuntime runtime = manager.createSiddhiAppRuntime(playback ? "@app:playback " + app : app);
        Counter counter = new Counter(arguments[11].equals("sum"));
        for (String output : outputs) {
            runtime.addCallback(output, counter.sharing());
        }
        InputHandler[] handlers = new InputHandler[inputs.length];
        for (int i = 0; i < inputs.length; i++) {
            handlers[i] = runtime.getInputHandler(inputs[i]);
        }
        runtime.start();

        StringBuilder rates = new StringBuilder();
        long first = 0;
        long rowsOfRound = 0;
        double sumOfRound = 0;
        for (int round = 0; round < warmups + rounds; round++) {
            List<Event[]> batches = new ArrayList<>();
            for (int start = 0; start < events; start += batch) {
                Event[] chunk = new Event[Math.min(batch, events - start)];
                for (int k = 0; k < chunk.length; k++) {
                    long row = first + start + k;
                    long time = playback ? T0 + (long) Math.floor(row * dt) : System.currentTimeMillis();
                    Object[] data = new Object[generators.length];
                    for (int j = 0; j < data.length; j++) {
                        long random = splitmix64(seed + (row * data.length + j + 1) * GOLDEN);
                        data[j] = generators[j].value(row, random, time);
                    }
                    chunk[k] = new Event(time, data);
                }
                batches.add(chunk);
            }
            first += events;
            System.gc();
            long rowsBefore = counter.rows;
            double sumBefore = counter.sum;
            long begin = System.nanoTime();
            for (int b = 0; b < batches.size(); b++) {
                handlers[b % handlers.length].send(batches.get(b));
            }
            double seconds = (System.nanoTime() - begin) / 1e9;
            rowsOfRound = counter.rows - rowsBefore;
            sumOfRound = counter.sum - sumBefore;
            if (round >= warmups) {
                rates.append(rates.length() == 0 ? "" : ", ").append(Math.round(events / seconds));
            }
        }
        if (!question.isEmpty()) {
            Event[] rows = runtime.query(question);
            if (rows != null) {
                rowsOfRound += rows.length;
                double before = counter.sum;
                counter.add(rows);
                sumOfRound += counter.sum - before;
            }
        }
        runtime.shutdown();
        manager.shutdown();
        System.out.println("{\"rates\": [" + rates + "], \"out_rows\": " + rowsOfRound + ", \"out_sum\": " + sumOfRound + "}");
        System.exit(0);
    }
}
