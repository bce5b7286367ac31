import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Starts the recorder with Siddhi's classes read in such a way that they go by a virtual clock.
 *
 * Siddhi asks System for the time and Java's executors and Quartz for timers. As its classes are loaded, these calls are
 * pointed at VirtualClock and VirtualQuartz; nothing else of it is touched. Arguments: the directories and jars to load.
 */
public final class Launcher {
    private Launcher() {
    }

    /** Loads from the given places only; classes of Siddhi and Quartz are rewritten on the way. */
    private static final class VirtualTimeLoader extends URLClassLoader {
        VirtualTimeLoader(List<URL> places) {
            super(places.toArray(new URL[0]), ClassLoader.getPlatformClassLoader());
        }

        @Override
        protected Class<?> findClass(String name) throws ClassNotFoundException {
            if (!name.startsWith("io.siddhi.") && !name.startsWith("org.quartz.")) {
                return super.findClass(name);
            }
            URL place = findResource(name.replace('.', '/') + ".class");
            if (place == null) {
                throw new ClassNotFoundException(name);
            }
            try (InputStream stream = place.openStream()) {
                byte[] code = inVirtualTime(stream.readAllBytes());
                return defineClass(name, code, 0, code.length);
            } catch (IOException cause) {
                throw new ClassNotFoundException(name, cause);
            }
        }
    }

    private static byte[] inVirtualTime(byte[] code) {
        ClassReader reader = new ClassReader(code);
        ClassWriter writer = new ClassWriter(reader, ClassWriter.COMPUTE_MAXS);
        reader.accept(new ClassVisitor(Opcodes.ASM5, writer) {
            @Override
            public MethodVisitor visitMethod(int access, String name, String form, String generic, String[] thrown) {
                return new Calls(super.visitMethod(access, name, form, generic, thrown));
            }
        }, 0);
        return writer.toByteArray();
    }

    /** The calls that ask for time or timers. */
    private static final class Calls extends MethodVisitor {
        Calls(MethodVisitor next) {
            super(Opcodes.ASM5, next);
        }

        @Override
        public void visitMethodInsn(int code, String owner, String name, String form, boolean isInterface) {
            if (owner.equals("java/lang/System") && name.equals("currentTimeMillis")) {
                super.visitMethodInsn(Opcodes.INVOKESTATIC, "VirtualClock", "now", "()J", false);
            } else if (owner.equals("java/util/Date") && name.equals("<init>") && form.equals("()V")) {
                super.visitMethodInsn(Opcodes.INVOKESTATIC, "VirtualClock", "now", "()J", false);
                super.visitMethodInsn(code, owner, name, "(J)V", false);
            } else if (owner.equals("java/util/concurrent/Executors") && name.equals("newScheduledThreadPool")) {
                super.visitMethodInsn(Opcodes.INVOKESTATIC, "VirtualClock", "executor", form, false);
            } else if (owner.equals("java/util/concurrent/Executors") && name.equals("newSingleThreadExecutor")) {
                super.visitMethodInsn(Opcodes.INVOKESTATIC, "VirtualClock", "atOnce", form, false);
            } else if (owner.equals("org/quartz/SchedulerFactory") && name.equals("getScheduler")) {
                super.visitMethodInsn(
                    Opcodes.INVOKESTATIC, "VirtualQuartz", "scheduler",
                    "(Lorg/quartz/SchedulerFactory;)Lorg/quartz/Scheduler;", false);
            } else {
                super.visitMethodInsn(code, owner, name, form, isInterface);
            }
        }
    }

    public static void main(String[] places) throws Exception {
        List<URL> urls = new ArrayList<>();
        for (Path place : Arrays.stream(places).map(Paths::get).toArray(Path[]::new)) {
            urls.add(place.toUri().toURL());
        }
        VirtualTimeLoader loader = new VirtualTimeLoader(urls);
        Thread.currentThread().setContextClassLoader(loader);
        loader.loadClass("Recorder").getMethod("main", String[].class).invoke(null, (Object) new String[0]);
    }
}
