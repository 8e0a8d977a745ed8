import java.io.{ByteArrayOutputStream, DataInputStream, DataOutputStream, EOFException, PrintWriter}
import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import java.nio.charset.StandardCharsets.UTF_8
import scala.reflect.io.{AbstractFile, VirtualDirectory, VirtualFile}
import scala.reflect.internal.FatalError
import scala.tools.nsc.{CompilerCommand, Global, Settings}
import scala.tools.nsc.reporters.ConsoleReporter

/** A compile server: runs `scalac OPTIONS FILE` for one program after the other, in a warm virtual machine.
  *
  * A request on stdin has the folder, the file's name and its text. An answer on stdout has the exit code or Declined
  * (32 bits), the number of fields (32 bits), the stdout of scalac (empty), its stderr, and name and content of each
  * class file. Every field is its length (32 bits) and its bytes. Each program has a new compiler. The server writes no
  * files and runs no code of a program: a macro has to be compiled before the program that uses it, and only options
  * name plugins. If scalac ends with anything but success or errors in the program, the command itself has to run
  * (Declined).
  */
object ScalacServer {
  private val Declined = -1

  def main(options: Array[String]): Unit = {
    val in = new DataInputStream(System.in)
    val out = System.out
    System.setOut(System.err)
    // scalac searches for classes on the class path of Java; the server itself is not part of it.
    val known = System.getProperty("java.class.path").split(":").filter(_.endsWith(".jar"))
    System.setProperty("java.class.path", known.mkString(":"))
    while (true) {
      try field(in)
      catch { case _: EOFException => return }
      val (file, data) = (new String(field(in), UTF_8), field(in))
      val reply =
        try compile(options, file, data)
        catch { case _: CharacterCodingException | _: Exception | _: LinkageError | _: StackOverflowError => None }
      out.write(packed(reply))
      out.flush()
    }
  }

  /** Compiles as `scala.tools.nsc.Driver.process` does. */
  private def compile(options: Array[String], file: String, data: Array[Byte]): Option[(Boolean, Seq[Array[Byte]])] = {
    UTF_8.newDecoder().decode(ByteBuffer.wrap(data))
    val errors = new ByteArrayOutputStream()
    val settings = new Settings(message => throw new IllegalArgumentException(message))
    val printed = new PrintWriter(errors, true)
    val reporter = new ConsoleReporter(settings, Console.in, printed)
    new CompilerCommand(options.toList, settings)
    val directory = new VirtualDirectory("(memory)", None)
    settings.outputDirs.setSingleOutput(directory)
    val source = new VirtualFile(file)
    val filled = source.output
    filled.write(data)
    filled.close()
    val compiler = new Global(settings, reporter)
    try {
      new compiler.Run().compileSources(List(compiler.getSourceFile(source)))
      reporter.printSummary()
    } catch {
      case _: FatalError => return None
    }
    printed.flush()
    val files = if (directory.isEmpty) Nil else written(directory, "")
    Some((reporter.hasErrors, Seq(Array[Byte](), errors.toByteArray) ++ files))
  }

  private def written(directory: AbstractFile, place: String): Seq[Array[Byte]] =
    directory.toSeq.flatMap { entry =>
      val name = place + entry.name
      if (entry.isDirectory) written(entry, name + "/") else Seq(name.getBytes(UTF_8), entry.toByteArray)
    }

  private def field(in: DataInputStream): Array[Byte] = {
    val data = new Array[Byte](in.readInt())
    in.readFully(data)
    data
  }

  private def packed(reply: Option[(Boolean, Seq[Array[Byte]])]): Array[Byte] = {
    val bytes = new ByteArrayOutputStream()
    val out = new DataOutputStream(bytes)
    val (code, fields) = reply.fold((Declined, Seq[Array[Byte]]())) { case (wrong, all) => (if (wrong) 1 else 0, all) }
    out.writeInt(code)
    out.writeInt(fields.size)
    for (each <- fields) {
      out.writeInt(each.length)
      out.write(each)
    }
    bytes.toByteArray
  }
}
